alter table products validate constraint products_group_id_check;

-- The indexes of lists with a filter. Building them takes seconds for a million products, so it must not block writes. An
-- index that an interrupted build has left cannot be used, and is replaced.
drop index concurrently if exists products_group_id_id;
-- Only for products of a group, so that others cost nothing.
create index concurrently products_group_id_id on products (group_id, id) where group_id is not null;
drop index concurrently if exists products_category_price_id;
create index concurrently products_category_price_id on products (category, price, id);
drop index concurrently if exists products_category_stock_id;
create index concurrently products_category_stock_id on products (category, stock, id);
drop index concurrently if exists products_category_name_id;
create index concurrently products_category_name_id on products (category, name, id);
drop index concurrently if exists products_category_created_at_id;
create index concurrently products_category_created_at_id on products (category, created_at, id);
