"""Kinds of values that are told by their class alone."""

_FIGURES = ("matplotlib.", "seaborn.", "plotly.", "bokeh.", "altair.", "ipywidgets.", "IPython.", "folium.", "holoviews.")


def is_figure(value):
    """Whether a value is something drawn, or a handful of such things: no result."""
    if _drawn(value):
        return True
    if isinstance(value, (list, tuple)) and value:
        return all(_drawn(item) or is_figure(item) for item in value[:50])
    if type(value).__name__ == "ndarray" and type(value).__module__ == "numpy" and value.dtype == object and value.size:
        return all(_drawn(item) for item in value.ravel()[:50])
    if type(value).__module__ == "pandas" and type(value).__name__ == "Series" and value.dtype == object and len(value):
        return all(_drawn(item) for item in value.array[:50])
    if isinstance(value, dict) and value:
        return all(is_figure(item) for item in list(value.values())[:50])
    return False


def _drawn(value):
    return (getattr(type(value), "__module__", "") or "").startswith(_FIGURES)
