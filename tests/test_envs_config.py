"""EnvConfig refuses what it does not know, and says what it does."""

import pytest

from envs import EnvConfig, LoadBalancer, Problem
from grid import GridError, Prices


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"horizn": 24},
            "config.horizn: found an unknown field; allowed: the fields of the config; did you mean 'horizon'?",
        ),
        (
            {"observation": "grph"},
            "config.observation: found 'grph'; allowed: flat or graph; did you mean 'graph'?",
        ),
        (
            {"action": "relative"},
            "config.action: found 'relative'; allowed: residual or residual-plan or absolute or bids or plan or "
            "store-values or secure-values; "
            "use one of: absolute, bids, plan, residual, residual-plan, secure-values, store-values",
        ),
        ({"horizon": 0}, "config.horizon: found 0; allowed: a whole number in 1..1,000,000; correct the value"),
        ({"dt_h": 0.0}, "config.dt_h: found 0.0; allowed: a number of hours > 0; correct the value"),
        (
            {"redispatch_moves": -1},
            "config.redispatch_moves: found -1; allowed: a whole number >= 0; correct the value",
        ),
        (
            {"forecast_h": (1, 200)},
            "config.forecast_h: found (1, 200); allowed: hours in (0, 168]; correct the value",
        ),
        (
            {"forecast_error_frac": 2.0},
            "config.forecast_error_frac: found 2.0; allowed: a share in [0, 1]; correct the value",
        ),
        ({"horizon": True}, "config.horizon: found True; allowed: a whole number in 1..1,000,000; correct the value"),
        (
            {"horizon": 10**9},
            "config.horizon: found 1000000000; allowed: a whole number in 1..1,000,000; correct the value",
        ),
        ({"dt_h": None}, "config.dt_h: found None; allowed: a number of hours > 0; correct the value"),
        ({"topology": 5}, "config.topology: found 5; allowed: a name, a path or a Grid; correct the value"),
        ({"forecast_h": 3}, "config.forecast_h: found 3; allowed: a list; correct the value"),
        ({"forecast_h": ["a"]}, "config.forecast_h: found ('a',); allowed: hours in (0, 168]; correct the value"),
        ({"outages": 3}, "config.outages: found 3; allowed: a list; correct the value"),
        ({"prices": 3}, "config.prices: found 3; allowed: Prices, or its fields by name; correct the value"),
        (
            {"protection": 3},
            "config.protection: found 3; allowed: Protection, or its fields by name; correct the value",
        ),
        (
            {"prices": {"shed": 3.0}},
            "prices.shed: found an unknown field; allowed: the fields of the config; "
            "use one of: balancing_per_mwh, co2_per_t, overload_per_mwh, spill_per_mwh, store_value_per_mwh, "
            "trip_per_mwh, voltage_per_pu_h, wear_per_mwh",
        ),
    ],
)
def test_a_bad_field_is_one_clear_line(fields, message):
    with pytest.raises(GridError) as caught:
        EnvConfig.from_fields(fields)
    assert str(caught.value) == message


def test_the_env_takes_a_config_or_fields_but_not_both():
    config = EnvConfig(topology="triangle", horizon=5)
    assert LoadBalancer(config).config == LoadBalancer(topology="triangle", horizon=5).config
    with pytest.raises(GridError) as caught:
        LoadBalancer(config, horizon=6)
    assert str(caught.value) == (
        "config: found a config and horizon; allowed: either of them; put the fields in the config"
    )
    with pytest.raises(GridError) as caught:
        LoadBalancer({"horizon": 4})
    assert str(caught.value) == (
        "config: found a dict; allowed: an EnvConfig; give its fields by name, such as horizon=24"
    )


def test_prices_may_be_given_as_a_mapping():
    assert Problem.of(EnvConfig(prices={"spill_per_mwh": 5.0})).prices == Prices(spill_per_mwh=5.0)


def test_leads_are_whole_steps_each_once():
    assert EnvConfig(dt_h=2.0, forecast_h=(24, 1, 2, 3, 2)).lead_steps == (1, 1, 2, 12)


@pytest.mark.parametrize("number", [10**400, -(10**400), float("nan"), float("inf")])
def test_what_no_float_can_hold_is_no_number(number):
    for fields in ({"dt_h": number}, {"prices": {"wear_per_mwh": number}}):
        with pytest.raises(GridError, match=r"dt_h: found|wear_per_mwh: found"):
            EnvConfig.from_fields(fields)
    for fields in ({"lockout_h": number}, {"heat_limit": number}):
        with pytest.raises(GridError, match="protection"):
            EnvConfig.from_fields({"protection": fields})
