"""The explorer's only JavaScript of ours: what a choice does to a view.

It narrows the options of each control by those before it, keeps the chosen rows, sorts them, hands
them to Bokeh, and fills the query in, as `_explorer_view` does. Text goes into Bokeh's models alone,
which write it as text.
"""

GLUE = """
const columns = all.data, axes = {};
let rows = Array.from({length: size}, (_, i) => i), text = view.sql;
const where = [], bounds = [];
const word = (data, words, name, i) => words[name] ? words[name][data[name][i]] : data[name][i];
const value = (name, i) => word(columns, view.words, axes[name] ?? name, i);
const missing = v => v == null || Number.isNaN(v);
const codes = {};
view.choices.forEach((choice, k) => {
  const select = selects[k], {column, labels, every, axis} = choice;
  let options = labels;
  if (!axis) {
    const there = new Set(rows.map(i => columns[column][i]));
    options = [...(every ? [every] : []), ...labels.filter((_, code) => there.has(code))];
  }
  if (!options.includes(select.value)) select.value = options[0];
  if (select.options.join("\\n") != options.join("\\n")) select.options = options;
  const at = labels.indexOf(select.value);
  if (axis) {
    axes[column] = axis[at];
    if (titled[column]) titled[column].axis_label = select.value;
    text = text.replace(`{${column}}`, () => choice.sql[at]);
  } else if (!(every && select.value == every)) {
    codes[column] = at;
    rows = rows.filter(i => columns[column][i] == at);
    where.push(choice.sql[at]);
  }
});
rows = rows.filter(i => view.known.every(name => !missing(value(name, i))));
[[low, ">="], [high, "<="]].forEach(([control, sign]) => {
  if (control?.value == null) return;
  const end = control.value;
  rows = rows.filter(i => sign == ">=" ? value(view.bounds, i) >= end : value(view.bounds, i) <= end);
  bounds.push(`${view.bounds} ${sign} ${end}`);
});
const keys = [], order = [];
[...view.first, [sort.value, direction.value == view.down], ...view.ties].forEach(([name, down]) => {
  if (keys.some(key => key[0] == name)) return;
  keys.push([name, down]);
  order.push(`${name}${down ? " DESC" : ""} NULLS LAST`);
});
rows.sort((i, j) => {
  for (const [name, down] of keys) {
    const a = value(name, i), b = value(name, j), none = missing(a) - missing(b);
    if (none) return none;
    if (!missing(a) && a != b) return (a < b ? -1 : 1) * (down ? -1 : 1);
  }
  return i - j;
});
const decoded = (data, words, kept) => Object.fromEntries(
  Object.keys(data).map(name => [name, kept.map(i => word(data, words, name, i))]));
const data = decoded(columns, view.words, rows);
for (const name of Object.keys(axes)) data[name] = rows.map(i => value(name, i));
for (const name of view.pictures) data[name] = data[name].map(i => missing(i) ? "" : pictures.data.uri[i]);
shown.data = data;
more.forEach(([from, to, words]) => {
  const all_of = from.data, names = Object.keys(codes).filter(name => name in all_of);
  const n = all_of[Object.keys(all_of)[0]].length;
  const kept = Array.from({length: n}, (_, i) => i).filter(
    i => names.every(name => all_of[name][i] == codes[name]));
  to.data = decoded(all_of, words, kept);
});
const tall = view.head + Math.max(1, rows.length) * view.row;
table.height = Math.min(tall, view.tallest);
count.text = `${rows.length} of ${size} rows`;
text = text.replace("{where}", () => where.join("\\n  AND ") || "true");
text = text.replace("{bounds}", () => bounds.join("\\n  AND ") || "true");
query.text = text.replace("{order}", () => order.join(", "));
"""
