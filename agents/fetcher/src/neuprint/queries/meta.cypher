/* quire: meta */
MATCH (d:Meta)
RETURN d.dataset AS dataset, d.tag AS tag, d.uuid AS uuid,
  coalesce(d.lastDatabaseEdit, d.lastEdit, d.lastModified) AS edited,
  d.primaryRois AS primary, d.superLevelRois AS above, d.roiHierarchy AS hierarchy, d.roiInfo AS regions
LIMIT 1
