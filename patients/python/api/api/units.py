"""Units of measurement: symbols and conversions, nothing about stations."""

SYMBOLS = {"celsius": "°C", "fahrenheit": "°F", "percent": "%"}


def symbol(unit):
    return SYMBOLS.get(unit, unit)


def convert(value, unit, wanted):
    if unit == "celsius" and wanted == "fahrenheit":
        return value * 9 / 5 + 32
    return value


def show(value, unit, precision=1):
    return f"{value:.{precision}f} {symbol(unit)}"
