"""A tiny environment of Grid2Op, as a folder."""

# ruff: noqa: E501 -- headers of tables stand in one piece
from __future__ import annotations

import bz2
from pathlib import Path

GENERATORS = """Pmax,Pmin,name,type,bus,max_ramp_up,max_ramp_down,min_up_time,min_down_time,marginal_cost,shut_down_cost,start_cost,x,y,V
50,5,gen_0_0,thermal,0,2,3,4,4,70,1,2,0,0,110
20,0.0,gen_1_1,wind,1,,,0,0,0,0,0,0,0,110
8,0.0,gen_1_2,hydro,1,0,0,0,0,3,0,0,0,0,110
"""
STORES = """Emax,Emin,name,type,max_p_prod,max_p_absorb,marginal_cost,power_loss,charging_efficiency,discharging_efficiency
15,1,storage_1_0,battery,5,4,20,0.1,0.95,0.9
"""
CONFIG = 'from grid2op.Action import Nothing\nlimits = [200.0, 300.0]\nconfig = {"backend": Nothing, "thermal_limits": limits}\n'
TABLES = {
    "load_p": "load_1_0;load_2_1\n10.0;4\n20.0;5\n40.0;2.5\n",
    "load_q": "load_1_0;load_2_1\n1;0\n2;0\n4.0;0\n",
    "prod_p": "gen_1_1;gen_0_0;gen_1_2\n5;9;8\n10;9;4\n25;9;0\n",
}


def write_environment(env: Path) -> None:
    """Three buses, three generators, two loads, a store and two scenarios; needs pandapower."""
    import pandapower as pp

    net = pp.create_empty_network()
    for _ in range(3):
        pp.create_bus(net, 110.0)
    for start, end in ((0, 1), (1, 2)):
        pp.create_line_from_parameters(net, start, end, 10.0, 0.1, 0.4, 0.0, 0.5)
    pp.create_gen(net, 0, 0.0, vm_pu=1.02, slack=True)
    pp.create_gen(net, 1, 0.0, vm_pu=1.01, min_q_mvar=-4.0, max_q_mvar=6.0)
    pp.create_gen(net, 1, 0.0, vm_pu=1.01)
    pp.create_load(net, 1, 7.0)
    pp.create_load(net, 2, 7.0)
    pp.create_storage(net, 1, 0.0, 15.0)
    pp.create_shunt(net, 2, -3.0)
    for name in ("0", "1"):
        scenario = env / "chronics" / name
        scenario.mkdir(parents=True)
        for table, text in TABLES.items():
            (scenario / f"{table}.csv.bz2").write_bytes(bz2.compress(text.encode()))
        (scenario / "start_datetime.info").write_text("2019-01-05 23:55\n")
        (scenario / "time_interval.info").write_text("00:05")
    (env / "chronics" / "0" / "hazards.csv.bz2").touch()
    pp.to_json(net, str(env / "grid.json"))
    for name, text in (("prods_charac", GENERATORS), ("storage_units_charac", STORES)):
        (env / f"{name}.csv").write_text(text)
    (env / "config.py").write_text(CONFIG)
