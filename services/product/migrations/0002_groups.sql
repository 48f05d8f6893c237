-- Products of one group are variants of each other. The column has no default, so the table is not rewritten.
alter table products add column group_id text collate "C" check (char_length(group_id) between 1 and 64);

-- Only for products of a group, so that others cost nothing.
create index products_group_id_id on products (group_id, id) where group_id is not null;
