-- Which projects of a catalog ordered a pipeline of a name, however many orders there are.

CREATE INDEX factory_order_of_project ON factory_order (pipeline, project) WHERE release_id <> '';
