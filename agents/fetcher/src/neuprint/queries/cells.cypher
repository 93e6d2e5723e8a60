/* quire: cells */
OPTIONAL MATCH (d:Meta)
WITH [d.uuid, coalesce(d.lastDatabaseEdit, d.lastEdit, d.lastModified)] AS edited,
  any(name IN ['"LO_L_layer_7"', '"LO_L_layer_07"', '"LO_R_layer_7"', '"LO_R_layer_07"']
    WHERE d.roiHierarchy CONTAINS name OR d.roiInfo CONTAINS name) AS seventh LIMIT 1
MATCH (n:Neuron) WHERE n.type IN [{types}]
RETURN n.type AS type, edited,
  n.superclass AS superclass, n.class AS class, n.subclass AS subclass, n.dimorphism AS dimorphism,
  n.somaNeuromere AS neuromere, n.trumanHl AS hemilineage, n.synonyms AS synonyms, n.flywireType AS flywire,
  n.consensusNt AS consensus, n.celltypePredictedNt AS predicted,
  n.celltypePredictedNtConfidence AS confidence, n.celltypeTotalNtPredictions AS predictions,
  collect([n.bodyId, n.rootSide, {side of n}, n.pre, n.post, n.downstream, n.upstream,
    n.predictedNt, coalesce(n.predictedNtConfidence, n.predictedNtProb), n.roiInfo]) AS cells, seventh
