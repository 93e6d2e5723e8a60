/* quire: layers */
MATCH (n:Neuron) WHERE n.type IN [{types}] WITH n
OPTIONAL MATCH (n)-[:Contains]->(:SynapseSet)-[:Contains]->(s:Synapse)
WHERE s.olHex1 IS NOT NULL AND s.olHex2 IS NOT NULL AND s.olLayer IS NOT NULL
WITH n.type AS type, CASE WHEN n.rootSide <> '' THEN n.rootSide ELSE {side of n} END AS side,
  CASE WHEN s.`ME(R)` THEN 'ME(R)' WHEN s.`ME(L)` THEN 'ME(L)' WHEN s.`LO(R)` THEN 'LO(R)'
    WHEN s.`LO(L)` THEN 'LO(L)' WHEN s.`LOP(R)` THEN 'LOP(R)' WHEN s.`LOP(L)` THEN 'LOP(L)' END AS region,
  s.olHex1 AS hex1, s.olHex2 AS hex2, s.olLayer AS layer, count(DISTINCT s) AS synapses
WITH type, side, region, hex1, hex2, sum(synapses) AS here, collect([layer, synapses]) AS layers
WITH type, side, region, sum(here) AS here,
  collect(CASE WHEN hex1 IS NULL THEN null ELSE [hex1, hex2, layers] END) AS columns
WITH type, sum(here) AS synapses, collect([side, region, columns]) AS places
WITH collect([type, synapses, places]) AS found
OPTIONAL MATCH (d:Meta) WITH found, d LIMIT 1
UNWIND found AS one
RETURN one[0] AS type, [d.uuid, coalesce(d.lastDatabaseEdit, d.lastEdit, d.lastModified)] AS edited,
  one[1] AS synapses, one[2] AS places
