/* quire: types */
MATCH (n:Neuron) WHERE n.type IS NOT NULL
RETURN n.type AS type, count(n) AS cells, sum(size(coalesce(n.roiInfo, ''))) AS bytes
