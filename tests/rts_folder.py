"""A tiny network of the form of RTS-GMLC, as a folder."""

# ruff: noqa: E501 -- headers of tables stand in one piece
from __future__ import annotations

from pathlib import Path

GEN_HEADER = "GEN UID,Bus ID,Gen ID,Unit Group,Unit Type,Category,Fuel,MW Inj,MVAR Inj,V Setpoint p.u.,PMax MW,PMin MW,QMax MVAR,QMin MVAR,Min Down Time Hr,Min Up Time Hr,Ramp Rate MW/Min,Start Time Cold Hr,Start Time Warm Hr,Start Time Hot Hr,Start Heat Cold MBTU,Start Heat Warm MBTU,Start Heat Hot MBTU,Non Fuel Start Cost $,Non Fuel Shutdown Cost $,FOR,MTTF Hr,MTTR Hr,Scheduled Maint Weeks,Fuel Price $/MMBTU,Output_pct_0,Output_pct_1,Output_pct_2,Output_pct_3,Output_pct_4,HR_avg_0,HR_incr_1,HR_incr_2,HR_incr_3,HR_incr_4,VOM,Fuel Sulfur Content %,Emissions SO2 Lbs/MMBTU,Emissions NOX Lbs/MMBTU,Emissions Part Lbs/MMBTU,Emissions CO2 Lbs/MMBTU,Emissions CH4 Lbs/MMBTU,Emissions N2O Lbs/MMBTU,Emissions CO Lbs/MMBTU,Emissions VOCs Lbs/MMBTU,Damping Ratio,Inertia MJ/MW,Base MVA,Transformer X p.u.,Unit X p.u.,Pump Load MW,Storage Roundtrip Efficiency"
COAL = "1_STEAM_1,1,1,U100,STEAM,Coal,Coal,80,5,1.02,100,40,50,-25,8,4,2,12,10,3,500,300,200,7,3,0.02,1960,40,3,2,0.4,0.6,0.8,1,NA,10000,8000,9000,10000,NA,1.5,0.1,0.2,0.3,0.4,210,0.1,0.1,0.1,0.1,0.5,3,89,0.13,0.3,0,0"
WIND = "2_WIND_1,2,1,WIND,WIND,Wind,Wind,0,0,1,50,0,0,0,0,0,50" + ",0" * 17 + ",NA,0,0,0,0,NA" + ",0" * 17
STORE = (
    "2_STORAGE_1,2,1,STORAGE,STORAGE,Storage,Storage,0,0,1,20,0,0,0,0,0,20"
    + ",0" * 17
    + ",NA,0,0,0,0,NA"
    + ",0" * 15
    + ",25,81"
)
COND = (
    "3_SYNC_COND_1,3,1,Sync_Cond,SYNC_COND,Sync_Cond,Sync_Cond,0,9,1.04,0,0,60,-30,0,0,0"
    + ",0" * 17
    + ",NA,0,0,0,0,NA"
    + ",0" * 17
)
FILES = {
    "SourceData/bus.csv": """Bus ID,Bus Name,BaseKV,Bus Type,MW Load,MVAR Load,V Mag,V Angle,MW Shunt G,MVAR Shunt B,Area,Sub Area,Zone,lat,lng
1,Abel,138.0,Ref,0,0,1,0,0,0,1,11,11,33.5,-113.8
2,Adams,138.0,PQ,30,6,1,0,0,0,1,11,12,33.6,-113.9
3,Adler,138.0,PV,90,18,1,0,0,-10,1,11,12,33.7,-113.7
4,Bach,230.0,PQ,40,8,1,0,2,0,2,21,21,36.2,-113.7
""",
    "SourceData/branch.csv": """UID,From Bus,To Bus,R,X,B,Cont Rating,LTE Rating,STE Rating,Perm OutRate,Duration,Tr Ratio,Tran OutRate,Length
A1,1,2.0,0.003,0.014,0.461,175,193,200,0.24,16,0,0,3
A2,2,3,0.055,0.211,0.057,150,208,220,0.51,10,0,2.9,55
B1,3,4,0.002,0.084,0,400,510,600,0.02,768,1.015,0,0
""",
    "SourceData/gen.csv": "\n".join((GEN_HEADER, COAL, WIND, STORE, COND)) + "\n",
    "SourceData/dc_branch.csv": "UID,From Bus,To Bus,Control Mode,R Line,MW Load,V Mag kV,R Compound,Margin,Metered end,From X Commutating\nDC1,1,4,Power,5,10,500,5,0.1,Inverter,4.5\n",
    "SourceData/storage.csv": "GEN UID,Storage,Max Volume GWh,Initial Volume GWh,Inflow Limit GWh,position\n2_STORAGE_1,HEAD,0.15,0.03,0.1,head\n2_STORAGE_1,TAIL,0.15,0.03,0,tail\n",
    "SourceData/reserves.csv": "Reserve Product,Timeframe (sec)\nFlex_Up,1200\n",
    "SourceData/timeseries_pointers.csv": """Simulation,Category,Object,Parameter,Scaling Factor,Data File
DAY_AHEAD,Generator,2_WIND_1,PMax MW,50,../series/wind.csv
DAY_AHEAD,Generator,2_WIND_1,PMin MW,50,../series/wind.csv
DAY_AHEAD,Reserve,Flex_Up,Requirement,1,../series/flex.csv
DAY_AHEAD,Area,1,MW Load,120,../series/load.csv
DAY_AHEAD,Area,2,MW Load,40,../series/load.csv
REAL_TIME,Area,1,MW Load,120,../series/load_5min.csv
""",
    "series/wind.csv": "Year,Month,Day,Period,2_WIND_1\n2020,2,29,23,10\n2020,2,29,24,50\n2020,3,1,1,55\n2020,3,1,2,0\n",
    "series/load.csv": '"Year","Month","Day","Period","1","2"\n2020,2,29,23,60,10\n2020,2,29,24,120,20\n2020,3,1,1,30,40\n2020,3,1,2,60,44\n',
}  # fmt: skip


def write_rts(folder: Path) -> None:
    """Four buses, three lines, a plant, wind, a store, a condenser, a line of direct current and four hours."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
