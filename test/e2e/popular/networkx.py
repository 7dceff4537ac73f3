# /// script
# dependencies = ["networkx"]
# ///
import networkx


def operate():
    graph = networkx.karate_club_graph()
    best = sorted(networkx.betweenness_centrality(graph).items(), key=lambda one: -one[1])[:3]
    return [networkx.shortest_path(graph, 0, 33), [[node, round(value, 9)] for node, value in best]]
