/* quire: partners */
MATCH (n:Neuron) WHERE n.type IN [{types}] WITH n
OPTIONAL MATCH (n)-[c:ConnectsTo]->(m:Neuron) WHERE m.type IS NOT NULL
WITH n.type AS of, m, c.weight AS weight,
  toUpper(CASE WHEN n.rootSide <> '' THEN n.rootSide ELSE coalesce({side of n}, '') END) AS own
WITH of, m, sum(weight) AS e,
  sum(CASE WHEN own IN ['L', 'LEFT'] THEN weight ELSE 0 END) AS l,
  sum(CASE WHEN own IN ['R', 'RIGHT'] THEN weight ELSE 0 END) AS r,
  sum(CASE WHEN own IN ['M', 'MIDDLE', 'C', 'CENTER'] THEN weight ELSE 0 END) AS k
WITH of, m.type AS partner, {side of m} AS side,
  coalesce(m.consensusNt, m.celltypePredictedNt, m.predictedNt) AS transmitter,
  [count(m), sum(e), sum(e * e)] AS every,
  [sum(CASE WHEN l > 0 THEN 1 ELSE 0 END), sum(l), sum(l * l)] AS ls,
  [sum(CASE WHEN r > 0 THEN 1 ELSE 0 END), sum(r), sum(r * r)] AS rs,
  [sum(CASE WHEN k > 0 THEN 1 ELSE 0 END), sum(k), sum(k * k)] AS ks
WITH of, count(partner) AS number,
  collect(CASE WHEN partner IS NULL THEN null ELSE [partner, side, transmitter, every, ls, rs, ks] END) AS partners
WITH collect([of, number, partners]) AS found
OPTIONAL MATCH (d:Meta) WITH found, d LIMIT 1
UNWIND found AS one
RETURN one[0] AS of, 'out' AS way, [d.uuid, coalesce(d.lastDatabaseEdit, d.lastEdit, d.lastModified)] AS edited,
  one[1] AS number, one[2] AS partners
UNION ALL
MATCH (n:Neuron) WHERE n.type IN [{types}] WITH n
OPTIONAL MATCH (n)<-[c:ConnectsTo]-(m:Neuron) WHERE m.type IS NOT NULL
WITH n.type AS of, m, c.weight AS weight,
  toUpper(CASE WHEN n.rootSide <> '' THEN n.rootSide ELSE coalesce({side of n}, '') END) AS own
WITH of, m, sum(weight) AS e,
  sum(CASE WHEN own IN ['L', 'LEFT'] THEN weight ELSE 0 END) AS l,
  sum(CASE WHEN own IN ['R', 'RIGHT'] THEN weight ELSE 0 END) AS r,
  sum(CASE WHEN own IN ['M', 'MIDDLE', 'C', 'CENTER'] THEN weight ELSE 0 END) AS k
WITH of, m.type AS partner, {side of m} AS side,
  coalesce(m.consensusNt, m.celltypePredictedNt, m.predictedNt) AS transmitter,
  [count(m), sum(e), sum(e * e)] AS every,
  [sum(CASE WHEN l > 0 THEN 1 ELSE 0 END), sum(l), sum(l * l)] AS ls,
  [sum(CASE WHEN r > 0 THEN 1 ELSE 0 END), sum(r), sum(r * r)] AS rs,
  [sum(CASE WHEN k > 0 THEN 1 ELSE 0 END), sum(k), sum(k * k)] AS ks
WITH of, count(partner) AS number,
  collect(CASE WHEN partner IS NULL THEN null ELSE [partner, side, transmitter, every, ls, rs, ks] END) AS partners
WITH collect([of, number, partners]) AS found
OPTIONAL MATCH (d:Meta) WITH found, d LIMIT 1
UNWIND found AS one
RETURN one[0] AS of, 'in' AS way, [d.uuid, coalesce(d.lastDatabaseEdit, d.lastEdit, d.lastModified)] AS edited,
  one[1] AS number, one[2] AS partners
UNION ALL
MATCH (n:Neuron) WHERE n.bodyId IN [{bodies}] WITH n
OPTIONAL MATCH (n)-[c:ConnectsTo]->(m:Neuron) WHERE m.type IS NOT NULL
WITH n.bodyId AS of, m, sum(c.weight) AS e ORDER BY e DESC, m.bodyId
WITH of, m.type AS partner, {side of m} AS side, [count(m), collect([m.bodyId, e])[0..{most}]] AS every
WITH of, count(partner) AS number,
  collect(CASE WHEN partner IS NULL THEN null ELSE [partner, side, null, every, null, null, null] END) AS partners
WITH collect([of, number, partners]) AS found
OPTIONAL MATCH (d:Meta) WITH found, d LIMIT 1
UNWIND found AS one
RETURN one[0] AS of, 'out' AS way, [d.uuid, coalesce(d.lastDatabaseEdit, d.lastEdit, d.lastModified)] AS edited,
  one[1] AS number, one[2] AS partners
UNION ALL
MATCH (n:Neuron) WHERE n.bodyId IN [{bodies}] WITH n
OPTIONAL MATCH (n)<-[c:ConnectsTo]-(m:Neuron) WHERE m.type IS NOT NULL
WITH n.bodyId AS of, m, sum(c.weight) AS e ORDER BY e DESC, m.bodyId
WITH of, m.type AS partner, {side of m} AS side, [count(m), collect([m.bodyId, e])[0..{most}]] AS every
WITH of, count(partner) AS number,
  collect(CASE WHEN partner IS NULL THEN null ELSE [partner, side, null, every, null, null, null] END) AS partners
WITH collect([of, number, partners]) AS found
OPTIONAL MATCH (d:Meta) WITH found, d LIMIT 1
UNWIND found AS one
RETURN one[0] AS of, 'in' AS way, [d.uuid, coalesce(d.lastDatabaseEdit, d.lastEdit, d.lastModified)] AS edited,
  one[1] AS number, one[2] AS partners
