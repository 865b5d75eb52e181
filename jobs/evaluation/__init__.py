"""How good the answers are: figures of pairs, clusters, segments and rankings against what is known to be true."""
