-- Audit policies that hash: the secret stays where it belongs, and the daemon gets it.
begin;
select no_plan();

insert into pgherald.audit_policies (table_name, hash) values ('public.hashed', '{phone}');
insert into pgherald.audit_policies (table_name, redact) values ('public.plain', '{phone}');
select is((select p.hash_secret from pgherald.audit_policies p where table_name = 'public.hashed'),
  (select secret from pgherald.audit_secrets where name = 'hash'), 'a policy that hashes has the secret');
select is((select hash_secret from pgherald.audit_policies where table_name = 'public.plain'), null, 'another one has none');
update pgherald.audit_policies set hash_secret = 'mine', hash = '{phone}' where table_name = 'public.plain';
select is((select hash_secret from pgherald.audit_policies where table_name = 'public.plain'),
  (select secret from pgherald.audit_secrets where name = 'hash'), 'and nobody chooses it');
update pgherald.audit_policies set hash = '{}';
select is((select count(*) from pgherald.audit_policies where hash_secret is not null), 0::bigint, 'it goes when it is not needed');

select matches(pgherald.audit_hash('x'), '^sha256:[0-9a-f]{64}$', 'a digest');
select is(pgherald.audit_hash('x'), 'sha256:' || encode(sha256(convert_to((select secret from pgherald.audit_secrets where name = 'hash') || 'x', 'UTF8')), 'hex'), 'of the secret and the value');
select isnt(pgherald.audit_hash('x'), pgherald.audit_hash('y'), 'another value, another digest');
select is(pgherald.audit_hash(null), null, 'null is no value');
select is((select count(*) from pgherald.audit_secrets where length(secret) = 64), 1::bigint, 'the secret is long');

select * from finish();
rollback;
