"""Planning an episode: the linear programme, the optimum of one episode and of many."""
