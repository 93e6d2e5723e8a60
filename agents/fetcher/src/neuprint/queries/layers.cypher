/* quire: layers */
MATCH (n:Neuron) WHERE n.type IN [{types}] WITH n
MATCH (n)-[:Contains]->(:SynapseSet)-[:Contains]->(s:Synapse)
WHERE s.olHex1 IS NOT NULL AND s.olHex2 IS NOT NULL AND s.olLayer IS NOT NULL
WITH n.type AS type, CASE WHEN n.rootSide <> '' THEN n.rootSide ELSE {side of n} END AS side,
  CASE WHEN s.`ME(R)` THEN 'ME(R)' WHEN s.`ME(L)` THEN 'ME(L)' WHEN s.`LO(R)` THEN 'LO(R)'
    WHEN s.`LO(L)` THEN 'LO(L)' WHEN s.`LOP(R)` THEN 'LOP(R)' WHEN s.`LOP(L)` THEN 'LOP(L)' END AS region,
  s.olHex1 AS hex1, s.olHex2 AS hex2, s.olLayer AS layer, count(DISTINCT s) AS synapses
WITH type, side, region, hex1, hex2, collect([layer, synapses]) AS layers
RETURN type, side, region, collect([hex1, hex2, layers]) AS columns
