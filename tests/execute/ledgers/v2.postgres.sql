-- A ledger of version 2 in PostgreSQL, as pg_dump --inserts wrote it, without the name of its schema.
CREATE FUNCTION events_are_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$;
CREATE TABLE approvals (
    fleet text NOT NULL,
    plan text NOT NULL,
    digest text NOT NULL,
    at text NOT NULL,
    by text NOT NULL,
    reason text NOT NULL
);
CREATE TABLE controls (
    fleet text NOT NULL,
    name text NOT NULL,
    value text NOT NULL,
    at text NOT NULL,
    by text NOT NULL,
    reason text NOT NULL
);
CREATE TABLE events (
    fleet text NOT NULL,
    number integer NOT NULL,
    at text NOT NULL,
    plan text,
    move text,
    state text NOT NULL,
    detail text NOT NULL,
    by text NOT NULL,
    epoch integer NOT NULL,
    hash text NOT NULL
);
CREATE TABLE leaders (
    fleet text NOT NULL,
    epoch integer NOT NULL,
    holder text NOT NULL,
    until text
);
CREATE TABLE moves (
    fleet text NOT NULL,
    plan text NOT NULL,
    move text NOT NULL,
    vm text NOT NULL,
    source text NOT NULL,
    target text NOT NULL,
    copied_mib integer NOT NULL,
    state text NOT NULL,
    failure text NOT NULL,
    detail text NOT NULL,
    attempt integer NOT NULL,
    epoch integer NOT NULL,
    job text NOT NULL,
    intended_at text NOT NULL,
    changed_at text NOT NULL
);
CREATE TABLE remora_ledger (
    version integer NOT NULL
);
CREATE TABLE runs (
    fleet text NOT NULL,
    plan text NOT NULL,
    state text NOT NULL,
    fleet_digest text NOT NULL,
    policy_digest text NOT NULL,
    driver text NOT NULL,
    moves integer NOT NULL,
    ordered_by text NOT NULL,
    reason text NOT NULL,
    approved_by text NOT NULL,
    epoch integer NOT NULL,
    started_at text NOT NULL,
    ended_at text
);
INSERT INTO approvals VALUES ('tiny', 'plan-b', 'sha256:1', '2026-11-21T12:00:42+00:00', 'bob', 'reviewed');
INSERT INTO controls VALUES ('other', 'stop', '', '2026-11-21T12:00:10+00:00', 'carol', 'storage is slow');
INSERT INTO events VALUES ('tiny', 1, '2026-11-21T12:00:00+00:00', NULL, NULL, 'leader', '', 'ann@console', 1, '54e24281ba67fe91f3306baf46bb783c01da3e753e6445cf8401419232069a51');
INSERT INTO events VALUES ('tiny', 2, '2026-11-21T12:00:00+00:00', 'plan-a', NULL, 'running', 'because', 'ann', 1, '437d4ba0874752fc901e70606ce519d2868ed6b33ecb76c8d787f616253bf612');
INSERT INTO events VALUES ('tiny', 3, '2026-11-21T12:00:01+00:00', NULL, NULL, 'limit', '3: because', 'ann', 0, '4b24ebb73512ebc25b3c38390d850f94f7799399e43eadd53c54377af1378d28');
INSERT INTO events VALUES ('tiny', 4, '2026-11-21T12:00:02+00:00', 'plan-a', 'm0001', 'intended', 'v0: h0 to h8, 1000 MiB, attempt 1', 'ann@console', 1, 'db51bf83bd15c0a218a70088632099dfc5a6ba791b8a8a58cd83140c84f51e1d');
INSERT INTO events VALUES ('tiny', 5, '2026-11-21T12:00:03+00:00', 'plan-a', 'm0001', 'accepted', '', 'ann@console', 1, 'bfd816010ce61c5d4280032223d840e36aa6b2a681f2d3578d8bff1a29836502');
INSERT INTO events VALUES ('tiny', 6, '2026-11-21T12:00:07+00:00', 'plan-a', 'm0001', 'copying', '', 'ann@console', 1, '52ae5190e5f6331e06826ec3bc2654104c4e5ecb1485da51ef15cc65d1ceac7a');
INSERT INTO events VALUES ('tiny', 7, '2026-11-21T12:00:12+00:00', 'plan-a', 'm0001', 'done', '', 'ann@console', 1, '0bbacc0737e4abadb20ea65925d7ffc8a8a866c42f03d70071402cee7fbd510b');
INSERT INTO events VALUES ('tiny', 8, '2026-11-21T12:00:20+00:00', 'plan-a', 'm0002', 'intended', 'v1: h1 to h9, 1000 MiB, attempt 1', 'ann@console', 1, '7c74ba1304eaa3e9662352de65047b46ce6c8fb84289609b4f712775cad33adc');
INSERT INTO events VALUES ('tiny', 9, '2026-11-21T12:00:21+00:00', 'plan-a', 'm0002', 'accepted', '', 'ann@console', 1, '8286f96b6404e130d791e5e544a58a0bf141fd1be8ffe184a9a39176e646f036');
INSERT INTO events VALUES ('tiny', 10, '2026-11-21T12:00:25+00:00', 'plan-a', 'm0002', 'copying', '', 'ann@console', 1, '76f731d68ee8e0933213c24430bcc93e6f672cd4f8adae0b73d27aa900f2710b');
INSERT INTO events VALUES ('tiny', 11, '2026-11-21T12:00:30+00:00', 'plan-a', 'm0002', 'done', '', 'ann@console', 1, '12ebfdc546d91b843fd7b621b3e9456fbef9a3b1fca27524da98724574b95d7e');
INSERT INTO events VALUES ('tiny', 12, '2026-11-21T12:00:40+00:00', 'plan-a', NULL, 'done', '', 'ann@console', 1, '4bcb9b2a75cbbe4961db0a7bece6b4116824f3042a5a163fb95c0d412b95f705');
INSERT INTO events VALUES ('tiny', 13, '2026-11-21T12:00:41+00:00', NULL, NULL, 'no limit', 'because', 'ann', 0, '4d20e52f756a27339f806c4880cbdc81c8d95ebc0556691cc56596cb023dfc22');
INSERT INTO events VALUES ('tiny', 14, '2026-11-21T12:00:42+00:00', 'plan-b', NULL, 'approved', 'sha256:1: reviewed', 'bob', 0, '21e84df6ef2d49aff146ec6dd55eb5544ba73f64d7f2874f92fd6b001416eb61');
INSERT INTO events VALUES ('tiny', 15, '2026-11-21T12:00:50+00:00', 'plan-b', NULL, 'running', 'because', 'ann', 1, 'e1bc329fd0933c02cf865a48c73d54220cbb1dda56165cf693df7b07238bba40');
INSERT INTO events VALUES ('tiny', 16, '2026-11-21T12:00:51+00:00', 'plan-b', 'm0001', 'intended', 'v3: h3 to h11, 1000 MiB, attempt 1', 'ann@console', 1, '99f5a375f9ca3731f66b4dd99f6cb2abf5d0f88d878c51a88090f3afc7b10a06');
INSERT INTO events VALUES ('tiny', 17, '2026-11-21T12:00:52+00:00', 'plan-b', 'm0001', 'accepted', '', 'ann@console', 1, '293c6b82134fcc109b451458326cb23f9a1470d4b2980d7a1f4eb829e34a20cc');
INSERT INTO events VALUES ('tiny', 18, '2026-11-21T12:01:00+00:00', 'plan-b', 'm0001', 'failed', 'no room', 'ann@console', 1, 'b180c5f4eccc5f03e87ea486dd6a27ec40f8c7d6a6b329f510f1fd209fd1e951');
INSERT INTO events VALUES ('tiny', 19, '2026-11-21T12:01:20+00:00', 'plan-b', 'm0001', 'intended', 'v3: h3 to h11, 1000 MiB, attempt 2', 'ann@console', 1, '5595015d46de6842c316de8538dbd296aca9922cd7219812d3beed1b57391a81');
INSERT INTO events VALUES ('tiny', 20, '2026-11-21T12:01:21+00:00', 'plan-b', 'm0001', 'accepted', '', 'ann@console', 1, '2e0792bfb97e3952c3803b15810194ac9e4cc78d347c4261815857e565348a77');
INSERT INTO events VALUES ('tiny', 21, '2026-11-21T12:01:30+00:00', 'plan-b', 'm0001', 'failed', 'no such host', 'ann@console', 1, 'e32e4c4329fd5d76d8a3727d57908eb7678e2fbaa2592929e36e88551b542b21');
INSERT INTO events VALUES ('tiny', 22, '2026-11-21T12:01:40+00:00', 'plan-b', 'm0002', 'intended', 'v0: h8 to h0, 1000 MiB, attempt 1', 'ann@console', 1, 'fa3c40c73169e7449c419cf80ab72545300b90c6bc505042e897a2ae9c17b8f9');
INSERT INTO events VALUES ('tiny', 23, '2026-11-21T12:01:41+00:00', 'plan-b', 'm0002', 'accepted', '', 'ann@console', 1, 'b2d705cf16306688e91f50d86e4d4637be51231a37abd90f5924648b3c54b241');
INSERT INTO events VALUES ('tiny', 24, '2026-11-21T12:01:45+00:00', 'plan-b', 'm0002', 'copying', '', 'ann@console', 1, '72a74b4d5876098f87a0bf94ef2d3e0022f67daf128d86f451c40b3cd1d0783e');
INSERT INTO events VALUES ('tiny', 25, '2026-11-21T12:01:50+00:00', 'plan-b', 'm0002', 'done', '', 'ann@console', 1, 'b378d7ef8d61b02250f66797fed351d00fa96a1d70446d6222cfc509117dc066');
INSERT INTO events VALUES ('tiny', 26, '2026-11-21T12:02:00+00:00', 'plan-b', 'm0003', 'skipped', 'm0001 failed', 'ann@console', 1, '7f600410062872a7e6a0d35e7d1e83264d086a7a5fbed93d94c93a42065748de');
INSERT INTO events VALUES ('tiny', 27, '2026-11-21T12:02:01+00:00', 'plan-b', NULL, 'failed', '', 'ann@console', 1, '3ae7e8b55f6e6012662bc2a03242ed7698e2646ed0b8db582c78cb8e48933e62');
INSERT INTO events VALUES ('tiny', 28, '2026-11-21T12:02:30+00:00', NULL, NULL, 'leader', '', 'ann@console', 2, '39d285d29052dde15646effc6bff99c7d6e4687a639f5b512f7ab73861fc2910');
INSERT INTO events VALUES ('tiny', 29, '2026-11-21T12:03:20+00:00', 'plan-c', NULL, 'running', 'because', 'ann', 2, 'c5382b6b385289b7d304ae5743ccfdfd13352e9b23f4c237cc698526d738acf7');
INSERT INTO events VALUES ('tiny', 30, '2026-11-21T12:03:21+00:00', 'plan-c', 'm0001', 'intended', 'v2: h2 to h10, 3000 MiB, attempt 1', 'ann@console', 2, '2562972f6bf54bef2e6ed39601f7999ad6c85b193c19e778afa9913933012019');
INSERT INTO events VALUES ('tiny', 31, '2026-11-21T12:03:22+00:00', 'plan-c', 'm0001', 'accepted', '', 'ann@console', 2, 'de7fd2218cace03ca151b2c41772c2e1474d68cd714f26ef0c2cea9e94e95fa1');
INSERT INTO events VALUES ('tiny', 32, '2026-11-21T12:03:23+00:00', 'plan-c', 'm0003', 'intended', 'v5: h5 to h7, 6000 MiB, attempt 1', 'ann@console', 2, '5bfcd375c2b0101d1fa87f3970ce22552f5f6b4617de61d9f3ef957a09fbbaae');
INSERT INTO events VALUES ('other', 1, '2026-11-21T12:00:00+00:00', NULL, NULL, 'leader', '', 'ann@console', 1, '708261b7c4659aaf17dff9a2056e5a79d3b5c9e1240bc97db10363b769cf854d');
INSERT INTO events VALUES ('other', 2, '2026-11-21T12:00:00+00:00', 'plan-a', NULL, 'running', 'drain', 'carol', 1, 'e757cffe6c462932447127e006741ab58995e8928ae9120e5d51737bd17af486');
INSERT INTO events VALUES ('other', 3, '2026-11-21T12:00:09+00:00', 'plan-a', NULL, 'stopped', 'by the button', 'ann@console', 1, '092a557d6deda5c5aade5190ee0d9f42f5a04cd4e483e8449480a5e0423f6648');
INSERT INTO events VALUES ('other', 4, '2026-11-21T12:00:10+00:00', NULL, NULL, 'stop', 'storage is slow', 'carol', 0, '2979666e87d412f5d19d019e1eb17d1d2638f6bf0bc5fa3d1a8a2924eeb0ea0f');
INSERT INTO leaders VALUES ('tiny', 2, 'ann@console', NULL);
INSERT INTO leaders VALUES ('other', 1, 'ann@console', NULL);
INSERT INTO moves VALUES ('tiny', 'plan-a', 'm0001', 'v0', 'h0', 'h8', 1000, 'done', '', '', 1, 1, 'job-1', '2026-11-21T12:00:02+00:00', '2026-11-21T12:00:12+00:00');
INSERT INTO moves VALUES ('tiny', 'plan-a', 'm0002', 'v1', 'h1', 'h9', 1000, 'done', '', '', 1, 1, 'job-2', '2026-11-21T12:00:20+00:00', '2026-11-21T12:00:30+00:00');
INSERT INTO moves VALUES ('tiny', 'plan-b', 'm0001', 'v3', 'h3', 'h11', 1000, 'failed', 'permanent', 'no such host', 2, 1, 'job-4', '2026-11-21T12:01:20+00:00', '2026-11-21T12:01:30+00:00');
INSERT INTO moves VALUES ('tiny', 'plan-b', 'm0002', 'v0', 'h8', 'h0', 1000, 'done', '', '', 1, 1, 'job-5', '2026-11-21T12:01:40+00:00', '2026-11-21T12:01:50+00:00');
INSERT INTO moves VALUES ('tiny', 'plan-b', 'm0003', 'v1', 'h9', 'h1', 1000, 'skipped', '', 'm0001 failed', 1, 1, '', '2026-11-21T12:02:00+00:00', '2026-11-21T12:02:00+00:00');
INSERT INTO moves VALUES ('tiny', 'plan-c', 'm0001', 'v2', 'h2', 'h10', 3000, 'accepted', '', '', 1, 2, 'job-6', '2026-11-21T12:03:21+00:00', '2026-11-21T12:03:22+00:00');
INSERT INTO moves VALUES ('tiny', 'plan-c', 'm0003', 'v5', 'h5', 'h7', 6000, 'intended', '', '', 1, 2, '', '2026-11-21T12:03:23+00:00', '2026-11-21T12:03:23+00:00');
INSERT INTO remora_ledger VALUES (2);
INSERT INTO runs VALUES ('tiny', 'plan-a', 'done', 'sha256:499eae157e258fc1dd960183607876e3f3260a8e8ca7a721e31768f5f97f7315', 'sha256:0', 'simulated', 2, 'ann', 'because', '', 1, '2026-11-21T12:00:00+00:00', '2026-11-21T12:00:40+00:00');
INSERT INTO runs VALUES ('tiny', 'plan-b', 'failed', 'sha256:499eae157e258fc1dd960183607876e3f3260a8e8ca7a721e31768f5f97f7315', 'sha256:0', 'simulated', 3, 'ann', 'because', 'bob', 1, '2026-11-21T12:00:50+00:00', '2026-11-21T12:02:01+00:00');
INSERT INTO runs VALUES ('tiny', 'plan-c', 'running', 'sha256:499eae157e258fc1dd960183607876e3f3260a8e8ca7a721e31768f5f97f7315', 'sha256:0', 'simulated', 3, 'ann', 'because', '', 2, '2026-11-21T12:03:20+00:00', NULL);
INSERT INTO runs VALUES ('other', 'plan-a', 'stopped', 'sha256:499eae157e258fc1dd960183607876e3f3260a8e8ca7a721e31768f5f97f7315', 'sha256:0', 'simulated', 0, 'carol', 'drain', '', 1, '2026-11-21T12:00:00+00:00', '2026-11-21T12:00:09+00:00');
ALTER TABLE ONLY approvals
    ADD CONSTRAINT approvals_pkey PRIMARY KEY (fleet, plan);
ALTER TABLE ONLY controls
    ADD CONSTRAINT controls_pkey PRIMARY KEY (fleet, name);
ALTER TABLE ONLY events
    ADD CONSTRAINT events_pkey PRIMARY KEY (fleet, number);
ALTER TABLE ONLY leaders
    ADD CONSTRAINT leaders_pkey PRIMARY KEY (fleet);
ALTER TABLE ONLY moves
    ADD CONSTRAINT moves_pkey PRIMARY KEY (fleet, plan, move);
ALTER TABLE ONLY runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (fleet, plan);
CREATE INDEX moves_by_time ON moves USING btree (fleet, intended_at);
CREATE UNIQUE INDEX one_flight_per_vm ON moves USING btree (fleet, vm) WHERE (state = ANY (ARRAY['intended'::text, 'accepted'::text, 'preparing'::text, 'copying'::text, 'switching'::text, 'unknown'::text]));
CREATE UNIQUE INDEX one_running_run ON runs USING btree (fleet) WHERE (state = 'running'::text);
CREATE TRIGGER events_never_change BEFORE DELETE OR UPDATE OR TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only();
ALTER TABLE ONLY moves
    ADD CONSTRAINT moves_fleet_plan_fkey FOREIGN KEY (fleet, plan) REFERENCES runs(fleet, plan);
