/* quire: known */
OPTIONAL MATCH (d:Meta)
WITH [d.uuid, coalesce(d.lastDatabaseEdit, d.lastEdit, d.lastModified)] AS edited LIMIT 1
OPTIONAL MATCH (n:Neuron) WHERE n.type IN [{types}]
RETURN n.type AS type, count(n) AS cells, sum(size(coalesce(n.roiInfo, ''))) AS bytes, edited
