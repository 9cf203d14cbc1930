-- SPDX-License-Identifier: MIT
-- Real work for sqlite3: a table of 20,000 rows, indexes, joins, text search, vacuum.
create table item(id integer primary key, name text, price integer, note text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
    insert into item select i, printf('item %05d', i), (i * 7919) % 1000,
        substr('the quick brown fox jumps over the lazy dog', 1 + i % 30) from n;
create index by_price on item(price);
create index by_note on item(note, name);
select count(*), sum(price), min(name), max(note) from item;
select note, count(*) as n, group_concat(price % 10, '') from (select * from item limit 500)
    group by note order by n desc, note limit 5;
select a.name, b.name from item a join item b on a.price = b.price and a.id < b.id
    where a.note like '%fox%' order by b.id desc limit 5;
update item set note = note || ' ' || name where price between 100 and 300;
delete from item where id % 3 = 0;
vacuum;
select count(*), total(length(note)) from item;
select json_group_array(json_object('id', id, 'price', price)) from (select * from item limit 3);
pragma integrity_check;
select no_such_column from item;
