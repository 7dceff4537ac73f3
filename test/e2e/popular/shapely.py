# /// script
# dependencies = ["shapely"]
# ///
import shapely
from shapely.geometry import Point, Polygon
from shapely.ops import unary_union


def operate():
    square = Polygon([(0, 0), (2, 0), (2, 2), (0, 2)])
    both = unary_union([square, Point(2, 1).buffer(1, quad_segs=4)])
    return [round(both.area, 9), square.contains(Point(1, 1)), shapely.to_wkt(square.centroid), shapely.geos_version_string]
