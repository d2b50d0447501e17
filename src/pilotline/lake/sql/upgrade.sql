-- version_of --
SELECT version FROM schema_version WHERE component = :component;

-- set_version --
INSERT INTO schema_version (component, version) VALUES (:component, :version)
ON CONFLICT (component) DO UPDATE SET version = excluded.version;

-- every_oldest --
SELECT component, version FROM schema_oldest;

-- set_oldest --
INSERT INTO schema_oldest (component, version) VALUES (:component, :version)
ON CONFLICT (component) DO UPDATE SET version = excluded.version;

-- processes --
SELECT name, version, knows, began, until FROM process WHERE until > (SELECT at FROM database_clock) ORDER BY began, name;

-- attend --
INSERT INTO process (name, version, knows, began, until) VALUES (:name, :version, :knows, :now, :until)
ON CONFLICT (name) DO UPDATE SET until = excluded.until;

-- leave --
DELETE FROM process WHERE name = :name;

-- forget_gone --
DELETE FROM process WHERE until <= :now;
