-- Products of one group are variants of each other. Neither statement reads the table: the column has no default, and the
-- check is validated by the next migration, without blocking writes.
alter table products add column group_id text collate "C";
alter table products add constraint products_group_id_check check (char_length(group_id) between 1 and 64) not valid;
