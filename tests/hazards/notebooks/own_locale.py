# %%
import calendar
import locale

locale.setlocale(locale.LC_ALL, "C")
calendar.setfirstweekday(calendar.SUNDAY)
# %%
number = locale.atof("1234.5")
# %%
weeks = calendar.monthcalendar(2026, 3)
# %%
final = number + len(weeks) * 10000 + weeks[0].index(1)
