"""A grid of ten nodes on which the merit order overloads lines, so that there is something to learn."""

from grid import Grid


def congested_grid(name="congested"):
    grid = Grid(name)
    grid.add_source("coal", gen_max_mw=60, gen_cost_per_mwh=30, gen_ramp_mw_per_h=20)
    grid.add_source("gas", gen_max_mw=70, gen_cost_per_mwh=60, gen_ramp_mw_per_h=50)
    grid.add_source("sun", gen_max_mw=60, gen_profile="sun")
    grid.add_source("wind", gen_max_mw=60, gen_profile="wind")
    grid.add_storage("lake", store_max_mwh=80, charge_max_mw=20, discharge_max_mw=20)
    grid.add_storage("cells", store_max_mwh=60, charge_max_mw=15, discharge_max_mw=15)
    profiles = {"town": "household", "shops": "commerce", "mill": "industry", "farm": "household"}
    for node, load_max_mw in {"town": 30, "shops": 25, "mill": 30, "farm": 20}.items():
        grid.add_consumer(node, load_max_mw=load_max_mw, load_profile=profiles[node])
    ring = ["coal", "town", "gas", "shops", "sun", "wind", "coal"]
    for start, end, capacity_mw in zip(ring, ring[1:], (30, 22, 30, 22, 30, 30), strict=False):
        grid.add_line(start, end, capacity_mw=capacity_mw)
    for start, end, capacity_mw in (
        ("town", "sun", 22),
        ("lake", "town", 30),
        ("cells", "shops", 30),
        ("mill", "gas", 40),
        ("farm", "wind", 40),
    ):
        grid.add_line(start, end, capacity_mw=capacity_mw)
    return grid
