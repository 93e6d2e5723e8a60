/* quire: edited */
MATCH (d:Meta) RETURN d.uuid AS uuid, coalesce(d.lastDatabaseEdit, d.lastEdit, d.lastModified) AS edited LIMIT 1
