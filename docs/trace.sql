-- What did a key do? The calls, identities and times of `quarantine-scan trace`, for Amazon Athena, engine version 3.
--
-- NOT RUN ON ATHENA. `make sql` runs this text in DuckDB and compares the results with those of `trace`.
--
-- It needs the table cloudtrail_logs that AWS documents:
-- https://docs.aws.amazon.com/athena/latest/ug/create-cloudtrail-table.html
-- A table from before AWS added the column addendum must be created again.
-- Run the statements one by one. Two of them, trace_evidence and trace_calls, read the archive.
-- Before the next trace: DROP TABLE trace_evidence, trace_identities and trace_calls, each in a statement of its own,
-- and delete their files in S3, which Athena leaves there.
--
-- It differs from `trace` in two points: it follows at most nine edges (see trace_identities), and it shows neither
-- quarantines nor what was read and left behind.

-- trace_records: Each record with its outcome, what it gave, and the names by which its caller is known. The first
-- character of such a name says how narrow it is: 0 a key, 1 a user or session, 2 a role.
-- To read less, limit the partition column of your table after FROM cloudtrail_logs: WHERE "timestamp" >= '2026/11/23'.
CREATE VIEW trace_records AS
SELECT
    *,
    CASE
        WHEN outcome <> 'succeeded' THEN NULL
        WHEN event_name IN ('AssumeRole', 'AssumeRoleWithSAML', 'AssumeRoleWithWebIdentity', 'AssumeRoot',
            'GetSessionToken', 'GetFederationToken', 'CreateAccessKey') THEN '0 ' || issued_key
        WHEN event_name IN ('CreateUser', 'CreateLoginProfile', 'UpdateLoginProfile')
            THEN '1 ' || account_id || ' ' || named_user
    END AS gives_name,
    CASE
        WHEN event_name IN ('CreateUser', 'CreateLoginProfile', 'UpdateLoginProfile')
            THEN 'arn:' || aws_partition || ':iam::' || account_id || ':user/' || named_user
        ELSE issued_key
    END AS gives_id
FROM (
    SELECT
        eventid AS event_id,
        -- A record without an id has no copies.
        coalesce(eventid, CAST(uuid() AS varchar)) AS call_id,
        substr(eventtime, 1, 19) || 'Z' AS event_time,
        eventsource AS event_source,
        eventname AS event_name,
        awsregion AS aws_region,
        sourceipaddress AS source_ip_address,
        useragent AS user_agent,
        nullif(errorcode, '') AS error_code,
        coalesce(recipientaccountid, useridentity.accountid) AS account_id,
        useridentity.invokedby AS invoked_by,
        addendum.originaleventid AS replaces,
        coalesce(nullif(split_part(useridentity.arn, ':', 2), ''),
            CASE WHEN awsregion LIKE 'us-gov-%' THEN 'aws-us-gov' WHEN awsregion LIKE 'cn-%' THEN 'aws-cn'
                ELSE 'aws' END)
            AS aws_partition,
        coalesce(json_extract_scalar(responseelements, '$.credentials.accessKeyId'),
            json_extract_scalar(responseelements, '$.accessKey.accessKeyId')) AS issued_key,
        coalesce(json_extract_scalar(requestparameters, '$.userName'),
            json_extract_scalar(responseelements, '$.user.userName'),
            json_extract_scalar(responseelements, '$.loginProfile.userName')) AS named_user,
        CASE
            -- The sign-in service reports a failure in a flat answer, without an error code.
            WHEN coalesce(errorcode, '') = '' AND regexp_like(coalesce(responseelements, ''), '^\{[^{]*: *"Failure"')
                THEN 'failed'
            WHEN coalesce(errorcode, '') = '' THEN 'succeeded'
            WHEN errorcode LIKE '%DryRunOperation' THEN 'dryRun'
            WHEN regexp_like(errorcode, '(AccessDenied|AuthorizationError|NotAuthorized)(Exception)?$')
                OR regexp_like(errorcode, '(UnauthorizedOperation|UnauthorizedAccess|Forbidden)$')
                THEN 'denied'
            ELSE 'failed'
        END AS outcome,
        -- A missing field makes its name NULL, which equals nothing. A user that was created is known by
        -- account and name, one that was asked for by its ARN, or by account and name (the name with "-")
        -- where the record has no ARN.
        ARRAY[
            '0 ' || useridentity.accesskeyid,
            '1 ' || useridentity.arn,
            CASE WHEN useridentity.type = 'IAMUser'
                THEN '1 ' || useridentity.accountid || ' ' || useridentity.username END,
            CASE WHEN useridentity.type = 'IAMUser' AND coalesce(useridentity.arn, '') = ''
                THEN '1-' || useridentity.accountid || ' ' || useridentity.username END,
            '2 ' || useridentity.sessioncontext.sessionissuer.arn
        ] AS callers
    FROM cloudtrail_logs
) AS records;

-- trace_evidence: The few records that gave a key or made a user, and the addenda. The archive's first read.
CREATE TABLE trace_evidence AS
SELECT call_id, event_id, event_time, event_name, callers, gives_name, gives_id, nullif(replaces, '') AS replaces
FROM trace_records
WHERE gives_name IS NOT NULL OR nullif(replaces, '') IS NOT NULL;

-- trace_identities: What came from the identities that you name in the first lines, and from which second on.
-- Athena fails a recursion of more than ten steps, so nine edges are followed here. If a row has depth 9, name its id
-- in the first lines too, drop this table and run the statement again, until no row has depth 9.
CREATE TABLE trace_identities AS
WITH RECURSIVE
roots (id) AS (
    VALUES ('AKIAIOSFODNN7EXAMPLE')
),
root_names (name, id) AS (
    SELECT n.name, roots.id
    FROM roots
    CROSS JOIN UNNEST(ARRAY[
        '0 ' || roots.id,
        '1 ' || roots.id,
        '2 ' || roots.id,
        CASE WHEN roots.id LIKE 'arn:%:iam::%:user/%'
            THEN '1-' || split_part(roots.id, ':', 5) || ' ' || regexp_extract(roots.id, '[^/]+$') END
    ]) AS n (name)
    WHERE n.name IS NOT NULL
),
-- A user that was made keeps the ARN under which you asked for it.
edges AS (
    SELECT e.event_id, e.event_time, e.event_name, e.gives_name, coalesce(root_names.id, e.gives_id) AS gives_id,
        c.caller
    FROM trace_evidence AS e
    CROSS JOIN UNNEST(e.callers) AS c (caller)
    LEFT JOIN root_names ON root_names.name = '1-' || substr(e.gives_name, 3)
    WHERE e.gives_name IS NOT NULL
        AND e.call_id NOT IN (SELECT replaces FROM trace_evidence WHERE replaces IS NOT NULL)
),
found (name, id, since, depth, chain, parent, via_event_name, via_event_id, via_event_time) AS (
    SELECT CAST(name AS varchar), CAST(id AS varchar), CAST('' AS varchar), 0, CAST('|' || name || '|' AS varchar),
        CAST('' AS varchar), CAST('' AS varchar), CAST('' AS varchar), CAST('' AS varchar)
    FROM root_names
    UNION ALL
    -- A call proves an edge from the second in which its caller came to be. A call without a time proves it, too.
    -- The chain keeps users that give each other passwords from going round in circles.
    SELECT CAST(edges.gives_name AS varchar), CAST(edges.gives_id AS varchar),
        CAST(coalesce(edges.event_time, found.since) AS varchar), found.depth + 1,
        CAST(found.chain || edges.gives_name || '|' AS varchar), found.id, CAST(edges.event_name AS varchar),
        CAST(coalesce(edges.event_id, '') AS varchar), CAST(coalesce(edges.event_time, '') AS varchar)
    FROM found
    JOIN edges ON edges.caller = found.name
    WHERE found.depth < 9
        AND (edges.event_time IS NULL OR edges.event_time >= found.since)
        AND strpos(found.chain, '|' || edges.gives_name || '|') = 0
)
-- One row for each name. The earliest proof wins; of several parents, the narrowest, whose name sorts first.
SELECT name, id, since, depth, parent, via_event_name, via_event_id, via_event_time,
    row_number() OVER (PARTITION BY id ORDER BY depth, name) = 1 AS is_shown
FROM (
    SELECT
        found.name,
        found.id,
        min(found.since) AS since,
        min(found.depth) AS depth,
        nullif(min_by(found.parent, found.since || coalesce(parents.name, '')), '') AS parent,
        nullif(min_by(found.via_event_name, found.since || coalesce(parents.name, '')), '') AS via_event_name,
        nullif(min_by(found.via_event_id, found.since || coalesce(parents.name, '')), '') AS via_event_id,
        nullif(min_by(found.via_event_time, found.since || coalesce(parents.name, '')), '') AS via_event_time
    FROM found
    LEFT JOIN (SELECT id, min(name) AS name FROM found GROUP BY id) AS parents ON parents.id = found.parent
    GROUP BY found.name, found.id
) AS named;

-- trace_calls: Each call once, with its narrowest identity. The archive's second read.
CREATE TABLE trace_calls AS
SELECT identity, event_id, event_time, account_id, aws_region, event_source, event_name, outcome, error_code,
    source_ip_address, user_agent, invoked_by, copies
FROM (
    SELECT r.*, i.id AS identity,
        count(*) OVER (PARTITION BY r.call_id, c.caller, i.id) AS copies,
        row_number() OVER (PARTITION BY r.call_id ORDER BY substr(c.caller, 1, 1), i.since, i.id) AS place
    FROM trace_records AS r
    CROSS JOIN UNNEST(r.callers) AS c (caller)
    JOIN trace_identities AS i ON i.name = c.caller
    WHERE (r.event_time IS NULL OR r.event_time >= i.since)
        AND r.call_id NOT IN (SELECT replaces FROM trace_evidence WHERE replaces IS NOT NULL)
) AS of_identities
WHERE place = 1;

-- summary: How many calls, how they ended, from when to when.
SELECT
    count(*) AS calls,
    count(*) FILTER (WHERE outcome = 'succeeded') AS succeeded,
    count(*) FILTER (WHERE outcome = 'dryRun') AS dry_run,
    count(*) FILTER (WHERE outcome = 'denied') AS denied,
    count(*) FILTER (WHERE outcome = 'failed') AS failed,
    coalesce(sum(copies - 1), 0) AS duplicates,
    count(*) FILTER (WHERE invoked_by IS NOT NULL) AS on_behalf,
    min(event_time) AS first_event_time,
    max(event_time) AS last_event_time
FROM trace_calls;

-- identities: Each with what proves where it came from. What you asked for comes from nothing.
SELECT i.id, i.parent, i.via_event_name, i.via_event_id, i.via_event_time, min(c.event_time) AS first_event_time,
    max(c.event_time) AS last_event_time, count(c.identity) AS calls,
    count(*) FILTER (WHERE c.outcome = 'denied') AS denied
FROM trace_identities AS i
LEFT JOIN trace_calls AS c ON c.identity = i.id
WHERE i.is_shown
GROUP BY i.id, i.parent, i.via_event_name, i.via_event_id, i.via_event_time, i.depth
ORDER BY i.depth, i.id;

-- apis: The calls of each API.
SELECT event_source, event_name, count(*) AS calls, count(*) FILTER (WHERE outcome = 'denied') AS denied,
    min(event_time) AS first_event_time, max(event_time) AS last_event_time
FROM trace_calls
GROUP BY event_source, event_name
ORDER BY calls DESC, event_source, event_name;

-- addresses: The calls from each address.
SELECT source_ip_address, count(*) AS calls, count(*) FILTER (WHERE outcome = 'denied') AS denied,
    min(event_time) AS first_event_time, max(event_time) AS last_event_time
FROM trace_calls
GROUP BY source_ip_address
ORDER BY calls DESC, source_ip_address;

-- user_agents: The calls of each user agent.
SELECT user_agent, count(*) AS calls, count(*) FILTER (WHERE outcome = 'denied') AS denied,
    min(event_time) AS first_event_time, max(event_time) AS last_event_time
FROM trace_calls
GROUP BY user_agent
ORDER BY calls DESC, user_agent;

-- errors: The calls that ended with an error code.
SELECT error_code, event_source, event_name, count(*) AS calls, min(event_time) AS first_event_time,
    max(event_time) AS last_event_time
FROM trace_calls
WHERE error_code IS NOT NULL
GROUP BY error_code, event_source, event_name
ORDER BY calls DESC, error_code, event_source, event_name;
