# /// script
# dependencies = ["sympy"]
# ///
import sympy


def operate():
    x = sympy.symbols("x")
    return [str(sympy.integrate(sympy.sin(x) ** 2, x)), str(sympy.solve(x**2 - 2, x)), str(sympy.series(sympy.exp(x), x, 0, 4))]
