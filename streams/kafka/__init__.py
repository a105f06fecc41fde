"""The only room that imports Faust or aiokafka."""
