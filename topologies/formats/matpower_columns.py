"""The columns of MATPOWER's tables, in their order (MATPOWER User's Manual, appendix B), and what becomes of each."""

from __future__ import annotations

import re

READ = "read"
AC = "read for AC power flow alone"
LISTED = "listed where it is set"  # as left out
STATE = "the start or the result of a power flow"
LABEL = "a label"

COLUMNS: dict[str, dict[str, str]] = {
    "bus": {
        **{"BUS_I": READ, "BUS_TYPE": READ, "PD": READ, "QD": AC, "GS": READ, "BS": AC, "BUS_AREA": LABEL},
        **{"VM": STATE, "VA": STATE, "BASE_KV": AC, "ZONE": LABEL, "VMAX": AC, "VMIN": AC},
        **dict.fromkeys(("LAM_P", "LAM_Q", "MU_VMAX", "MU_VMIN"), STATE),
    },
    "gen": {
        **{"GEN_BUS": READ, "PG": STATE, "QG": AC, "QMAX": AC, "QMIN": AC, "VG": AC, "MBASE": LABEL},
        **{"GEN_STATUS": READ, "PMAX": READ, "PMIN": READ},
        **dict.fromkeys(("PC1", "PC2", "QC1MIN", "QC1MAX", "QC2MIN", "QC2MAX", "RAMP_AGC", "RAMP_10"), LISTED),
        **{"RAMP_30": READ, "RAMP_Q": LISTED, "APF": LABEL},
        **dict.fromkeys(("MU_PMAX", "MU_PMIN", "MU_QMAX", "MU_QMIN"), STATE),
    },
    "branch": {
        **{"F_BUS": READ, "T_BUS": READ, "BR_R": AC, "BR_X": READ, "BR_B": AC, "RATE_A": READ, "RATE_B": LISTED},
        **{"RATE_C": LISTED, "TAP": READ, "SHIFT": READ, "BR_STATUS": READ, "ANGMIN": LISTED, "ANGMAX": LISTED},
        **dict.fromkeys(("PF", "QF", "PT", "QT", "MU_SF", "MU_ST", "MU_ANGMIN", "MU_ANGMAX"), STATE),
    },
    "gencost": {"MODEL": READ, "STARTUP": LISTED, "SHUTDOWN": LISTED, "NCOST": READ, "COST": READ},
}
SAYS_NOTHING = {"ANGMIN": (0.0, -360.0), "ANGMAX": (0.0, 360.0)}
"""Values that stand for none; of other columns it is 0."""

THEME_OF = {
    **dict.fromkeys(("PC1", "PC2", "QC1MIN", "QC1MAX", "QC2MIN", "QC2MAX"), "reactive capability curve"),
    **dict.fromkeys(("RAMP_AGC", "RAMP_10", "RAMP_Q"), "ramp limits other than RAMP_30"),
    **dict.fromkeys(("RATE_B", "RATE_C"), "emergency ratings"),
    **dict.fromkeys(("ANGMIN", "ANGMAX"), "limits of the voltage angle across a branch"),
    **dict.fromkeys(
        ("STARTUP", "SHUTDOWN"),
        "costs of starting and stopping, as minimum times are not given: every generator is always on",
    ),
}
"""What each listed column is, in words."""

_ASSIGNED = re.compile(r"\w+\.(\w+)\s*\(.*,\s*(\w+|\[[\w\s,]+\])\s*\)\s*=")


def assigned(code: str) -> list[tuple[str, str]]:
    """Table and column of each that a statement sets, such as ``mpc.bus(:, QD) = 0``; none where it may set any."""
    found = _ASSIGNED.match(code)
    if found is None:
        return []
    table, names = found[1], list(COLUMNS[found[1]])
    numbered = dict(zip(map(str, range(1, len(names) + 1)), names, strict=True))
    columns = [numbered.get(word, word) for word in re.split(r"[\s,]+", found[2].strip("[] "))]
    return [(table, column) for column in columns] if set(columns) <= set(names) else []
