"""Linear programmes made of equal steps, built without a loop over steps and solved by HiGHS."""

from __future__ import annotations

from typing import Any

import numpy as np

from grid.errors import GridError

ROW_TOLERANCE = 1e-9  # by which a row may be missed; HiGHS takes 1e-7 by default
OPTIONS: dict[str, bool | int | float | str] = {
    "output_flag": False,
    "threads": 1,
    "solver": "simplex",
    "primal_feasibility_tolerance": ROW_TOLERANCE,
}


class StepBlock:
    """Columns, rows and entries of one step; entries may also lie in the rows of the next step.

    The steps form a ring: after the last one comes the first.
    """

    def __init__(self) -> None:
        self.columns: dict[str, np.ndarray] = {}
        self.rows: dict[str, np.ndarray] = {}
        self.width = 0
        self.height = 0
        self._bounds: dict[str, list[np.ndarray]] = {key: [] for key in ("cost", "low", "high", "row_low", "row_high")}
        self._entries: list[list[np.ndarray]] = []

    def add_columns(
        self,
        name: str,
        size: int,
        cost: np.ndarray | float = 0.0,
        low: np.ndarray | float = 0.0,
        high: np.ndarray | float = np.inf,
    ) -> np.ndarray:
        """Return the positions of new columns, (size,)."""
        self.columns[name] = self.width + np.arange(size)
        self.width += size
        self._note(size, cost=cost, low=low, high=high)
        return self.columns[name]

    def add_rows(
        self, name: str, size: int, low: np.ndarray | float = 0.0, high: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Return the positions of new rows, (size,)."""
        self.rows[name] = self.height + np.arange(size)
        self.height += size
        self._note(size, row_low=low, row_high=high)
        return self.rows[name]

    def _note(self, size: int, **bounds: np.ndarray | float) -> None:
        for key, value in bounds.items():
            self._bounds[key].append(np.broadcast_to(np.asarray(value, dtype=float), size))

    def put(
        self, rows: np.ndarray, columns: np.ndarray, values: np.ndarray | float, in_next_step: bool = False
    ) -> None:
        """Add values to the matrix; ``in_next_step`` puts them into the rows of the step after."""
        self._entries.append(list(np.broadcast_arrays(rows, columns, values, in_next_step)))

    def repeat(self, bound: str, steps: int) -> np.ndarray:
        """(T, width) "cost", "low", "high" or (T, height) "row_low", "row_high"."""
        return np.tile(np.concatenate(self._bounds[bound]), (steps, 1))

    def columns_at(self, steps: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """(T, size) the positions of these columns in steps (T,)."""
        positions: np.ndarray = columns + self.width * steps[:, None]
        return positions

    def rows_at(self, steps: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(T, size) the positions of these rows in steps (T,)."""
        positions: np.ndarray = rows + self.height * steps[:, None]
        return positions

    def matrix(self, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Start of each column, row numbers and values of the matrix of all steps."""
        from scipy.sparse import coo_array

        rows, columns, values, in_next_step = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        height = self.height * steps
        where = (rows + self.height * in_next_step) % height, columns
        block = coo_array((values, where), shape=(2 * self.height, self.width)).tocsc()
        step = np.arange(steps)[:, None]
        index = (block.indices + self.height * step).ravel() % height
        starts = np.append(block.indptr[:-1] + block.nnz * step, block.nnz * steps)
        return starts, index, np.tile(block.data, steps)


class Model:
    """A linear programme held by HiGHS; its bounds change in place, and it is solved again from the last basis.

    One thread and the dual simplex method, so that the same model gives the same vertex.
    """

    def __init__(
        self,
        cost: np.ndarray,
        bounds: tuple[np.ndarray, np.ndarray],
        row_bounds: tuple[np.ndarray, np.ndarray],
        matrix: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> None:
        import highspy  # only a solve needs it, so loading a grid does not wait for it

        self._kit: Any = highspy
        self.highs: Any = self._kit.Highs()
        for option, value in OPTIONS.items():
            self._check(self.highs.setOptionValue(option, value))
        self._first: Any = None  # solution at which the search for whole numbers begins
        self._row_low, self._row_high = row_bounds[0].ravel(), row_bounds[1].ravel()
        self.columns, self.rows = cost.size, self._row_low.size
        starts, index, values = matrix
        self._check(
            self.highs.passModel(
                cost.size,
                self._row_low.size,
                values.size,
                int(self._kit.MatrixFormat.kColwise),
                int(self._kit.ObjSense.kMinimize),
                0.0,  # constant cost
                cost.ravel(),
                bounds[0].ravel(),
                bounds[1].ravel(),
                self._row_low,
                self._row_high,
                starts.astype(np.int32),
                index.astype(np.int32),
                values,
                np.zeros(cost.size, np.int32),  # every column is continuous
            )
        )

    def set_cost(self, cost: np.ndarray, index: np.ndarray | None = None) -> None:
        """Change the cost of some columns, or of all."""
        index = np.arange(cost.size) if index is None else index.ravel()
        self._check(self.highs.changeColsCost(cost.size, index.astype(np.int32), cost.ravel()))

    def set_columns(self, index: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        """Change the bounds of some columns; all of one shape."""
        index = index.ravel().astype(np.int32)
        self._check(self.highs.changeColsBounds(index.size, index, low.ravel(), high.ravel()))

    def set_rows(self, index: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        """Change the bounds of some rows; meant for few, because older releases of HiGHS take them one by one."""
        index, low, high = index.ravel(), low.ravel(), high.ravel()
        changed = (self._row_low[index] != low) | (self._row_high[index] != high)
        for row, least, most in zip(
            index[changed].tolist(), low[changed].tolist(), high[changed].tolist(), strict=True
        ):
            self._check(self.highs.changeRowBounds(row, least, most))
        self._row_low[index], self._row_high[index] = low, high

    def set_weights(self, rows: np.ndarray, columns: np.ndarray, weights: np.ndarray) -> None:
        """Change some entries of the matrix, one by one; meant for few."""
        for row, column, weight in zip(rows.tolist(), columns.tolist(), weights.tolist(), strict=True):
            self._check(self.highs.changeCoeff(row, column, weight))

    def stay_near(self) -> None:
        """Go straight to the next optimum: a perturbed cost, which helps on the way from nowhere, is a detour."""
        self._check(self.highs.setOptionValue("dual_simplex_cost_perturbation_multiplier", 0.0))

    def start_over_at_basis(self) -> None:
        """Go on from the last basis with weights of the dual simplex method that cost nothing to begin with (Devex).

        Those of steepest edge, its choice, serve longer; but after a presolve they are worked out anew, which on 118
        buses and 24 steps takes ten times as long as the few iterations that a small change needs.
        """
        model, basis = self.highs.getLp(), self.highs.getBasis()
        self._check(self.highs.setOptionValue("simplex_dual_edge_weight_strategy", 1))
        self._check(self.highs.passModel(model))
        self._check(self.highs.setBasis(basis))

    def keep_added(self) -> None:
        """What was added up to now stays; ``drop_added`` leaves it in."""
        self.columns, self.rows = self.highs.getNumCol(), self.highs.getNumRow()

    def add_columns(self, cost: np.ndarray) -> np.ndarray:
        """Return the positions of new columns >= 0 that are in no row yet."""
        none, first = np.zeros(0, np.int32), self.highs.getNumCol()
        infinite = np.full(cost.size, np.inf)
        self._check(self.highs.addCols(cost.size, cost, np.zeros(cost.size), infinite, 0, none, none, np.zeros(0)))
        positions: np.ndarray = first + np.arange(cost.size)
        return positions

    def add_rows(
        self, low: np.ndarray, high: np.ndarray, rows: np.ndarray, columns: np.ndarray, values: np.ndarray
    ) -> None:
        """Add rows (R,) with their entries (K,); the last basis stays one."""
        from scipy.sparse import coo_array

        matrix = coo_array((values, (rows, columns)), shape=(low.size, self.highs.getNumCol())).tocsr()
        starts, index = matrix.indptr[:-1].astype(np.int32), matrix.indices.astype(np.int32)
        self._check(self.highs.addRows(low.size, low, high, matrix.nnz, starts, index, matrix.data))

    def set_added(self, rows: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> None:
        """Change the bounds of rows that were added."""
        for row, least, most in zip(
            *(each.ravel().tolist() for each in np.broadcast_arrays(rows, low, high)), strict=True
        ):
            self._check(self.highs.changeRowBounds(row, least, most))

    def begin_at_last(self) -> None:
        """Let the search for whole numbers begin at the last solution."""
        self._first = self.highs.getSolution()

    def solve_integers(self, columns: np.ndarray, gap: float, time_s: float) -> tuple[float, np.ndarray]:
        """Solve with these columns whole numbers; afterwards they are continuous again.

        Args:
            columns: their positions.
            gap: relative, between the best solution and the bound, at which the search ends.
            time_s: after which it ends in any case.

        Returns:
            A bound that no solution stays below, and the value of each column in the best one found.

        Raises:
            GridError: HiGHS finds no solution.
        """
        kinds, index = self._kit.HighsVarType, columns.astype(np.int32)
        options = {"mip_rel_gap": gap, "mip_abs_gap": 0.0, "time_limit": self.highs.getRunTime() + time_s}
        for option, value in options.items():
            self._check(self.highs.setOptionValue(option, value))
        self._check(
            self.highs.changeColsIntegrality(index.size, index, np.full(index.size, int(kinds.kInteger), np.uint8))
        )
        if self._first is not None:
            self._check(self.highs.setSolution(self._first))
            self._first = None
        self._check(self.highs.run())
        info, known = self.highs.getInfo(), self._kit.HighsModelStatus
        found, values = self.highs.getModelStatus(), np.array(self.highs.getSolution().col_value)
        if (
            found not in (known.kOptimal, known.kTimeLimit)
            or info.primal_solution_status != self._kit.SolutionStatus.kSolutionStatusFeasible
        ):
            raise _unsolved(self.highs.modelStatusToString(found))
        self._check(
            self.highs.changeColsIntegrality(index.size, index, np.full(index.size, int(kinds.kContinuous), np.uint8))
        )
        self._check(self.highs.setOptionValue("time_limit", np.inf))
        return float(info.mip_dual_bound), values

    def drop_added(self) -> None:
        """Take out again all rows and columns that were added."""
        for delete, first, count in (
            (self.highs.deleteRows, self.rows, self.highs.getNumRow()),
            (self.highs.deleteCols, self.columns, self.highs.getNumCol()),
        ):
            if count > first:
                self._check(delete(count - first, np.arange(first, count, dtype=np.int32)))

    def solve(self) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the least cost, the value of each column and the dual of each row.

        Raises:
            GridError: HiGHS finds no optimum.
        """
        status = self.highs.run()
        if status == self._kit.HighsStatus.kError:
            # the thread pool, one for the whole process, may have been started with another size
            self._check(self.highs.setOptionValue("threads", 0))
            status = self.highs.run()
        found, known = self.highs.getModelStatus(), self._kit.HighsModelStatus
        if found not in (known.kOptimal, known.kInfeasible):  # seldom the simplex method ends nowhere
            status, found = self._by_interior_point()
        if status == self._kit.HighsStatus.kError or found != known.kOptimal:
            raise _unsolved(self.highs.modelStatusToString(found))
        solution = self.highs.getSolution()
        cost = float(self.highs.getInfo().objective_function_value)
        return cost, np.array(solution.col_value), np.array(solution.row_dual)

    def _by_interior_point(self) -> tuple[Any, Any]:
        """Status of the run and of the model, solved from the start by the interior point method, with a last basis."""
        self._check(self.highs.clearSolver())
        self._check(self.highs.setOptionValue("solver", "ipm"))
        status = self.highs.run()
        self._check(self.highs.setOptionValue("solver", OPTIONS["solver"]))
        return status, self.highs.getModelStatus()

    def _check(self, status: Any) -> None:
        if status == self._kit.HighsStatus.kError:
            raise _unsolved("model refused")


def _unsolved(found: str) -> GridError:
    mend = "look for extreme numbers in the grid, the inputs or the prices"
    return GridError("optimum", f"solver status {found!r}", "'Optimal'", mend)
