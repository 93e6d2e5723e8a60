/* quire: partners */
MATCH (n:Neuron) WHERE n.type IN [{types}] WITH n
MATCH (n)-[c:ConnectsTo]->(m:Neuron) WHERE m.type IS NOT NULL
WITH n.type AS of, m, c.weight AS weight,
  toUpper(CASE WHEN n.rootSide <> '' THEN n.rootSide ELSE coalesce({side of n}, '') END) AS own
WITH of, m, sum(weight) AS e,
  sum(CASE WHEN own IN ['L', 'LEFT'] THEN weight ELSE 0 END) AS l,
  sum(CASE WHEN own IN ['R', 'RIGHT'] THEN weight ELSE 0 END) AS r,
  sum(CASE WHEN own IN ['M', 'MIDDLE', 'C', 'CENTER'] THEN weight ELSE 0 END) AS k
RETURN of, 'out' AS way, m.type AS partner, {side of m} AS side,
  coalesce(m.consensusNt, m.celltypePredictedNt, m.predictedNt) AS transmitter,
  [count(m), sum(e), sum(e * e)] AS every,
  [sum(CASE WHEN l > 0 THEN 1 ELSE 0 END), sum(l), sum(l * l)] AS left,
  [sum(CASE WHEN r > 0 THEN 1 ELSE 0 END), sum(r), sum(r * r)] AS right,
  [sum(CASE WHEN k > 0 THEN 1 ELSE 0 END), sum(k), sum(k * k)] AS middle
UNION ALL
MATCH (n:Neuron) WHERE n.type IN [{types}] WITH n
MATCH (n)<-[c:ConnectsTo]-(m:Neuron) WHERE m.type IS NOT NULL
WITH n.type AS of, m, c.weight AS weight,
  toUpper(CASE WHEN n.rootSide <> '' THEN n.rootSide ELSE coalesce({side of n}, '') END) AS own
WITH of, m, sum(weight) AS e,
  sum(CASE WHEN own IN ['L', 'LEFT'] THEN weight ELSE 0 END) AS l,
  sum(CASE WHEN own IN ['R', 'RIGHT'] THEN weight ELSE 0 END) AS r,
  sum(CASE WHEN own IN ['M', 'MIDDLE', 'C', 'CENTER'] THEN weight ELSE 0 END) AS k
RETURN of, 'in' AS way, m.type AS partner, {side of m} AS side,
  coalesce(m.consensusNt, m.celltypePredictedNt, m.predictedNt) AS transmitter,
  [count(m), sum(e), sum(e * e)] AS every,
  [sum(CASE WHEN l > 0 THEN 1 ELSE 0 END), sum(l), sum(l * l)] AS left,
  [sum(CASE WHEN r > 0 THEN 1 ELSE 0 END), sum(r), sum(r * r)] AS right,
  [sum(CASE WHEN k > 0 THEN 1 ELSE 0 END), sum(k), sum(k * k)] AS middle
UNION ALL
MATCH (n:Neuron) WHERE n.bodyId IN [{bodies}] WITH n
MATCH (n)-[c:ConnectsTo]->(m:Neuron) WHERE m.type IS NOT NULL
WITH n.bodyId AS of, m, sum(c.weight) AS e ORDER BY e DESC, m.bodyId
RETURN of, 'out' AS way, m.type AS partner, {side of m} AS side, null AS transmitter,
  collect([m.bodyId, e])[0..{most}] AS every, null AS left, null AS right, null AS middle
UNION ALL
MATCH (n:Neuron) WHERE n.bodyId IN [{bodies}] WITH n
MATCH (n)<-[c:ConnectsTo]-(m:Neuron) WHERE m.type IS NOT NULL
WITH n.bodyId AS of, m, sum(c.weight) AS e ORDER BY e DESC, m.bodyId
RETURN of, 'in' AS way, m.type AS partner, {side of m} AS side, null AS transmitter,
  collect([m.bodyId, e])[0..{most}] AS every, null AS left, null AS right, null AS middle
