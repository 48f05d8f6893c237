-- One index for each sort order of the list of a category. Building them takes seconds for a million products, so it must
-- not block writes. An index that an interrupted build has left cannot be used, and is replaced.
drop index concurrently if exists products_category_price_id;
create index concurrently products_category_price_id on products (category, price, id);
drop index concurrently if exists products_category_stock_id;
create index concurrently products_category_stock_id on products (category, stock, id);
drop index concurrently if exists products_category_name_id;
create index concurrently products_category_name_id on products (category, name, id);
drop index concurrently if exists products_category_created_at_id;
create index concurrently products_category_created_at_id on products (category, created_at, id);
