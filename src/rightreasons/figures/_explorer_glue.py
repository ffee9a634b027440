"""The explorer's only JavaScript of ours: what a choice does to a view.

It narrows the options of each control by those before it, keeps the chosen rows, sorts them, hands
them to Bokeh, and fills the query in, as `_explorer_view` does. Text goes into Bokeh's models
alone, which write it as text.
"""

GLUE = """
const columns = all.data, axes = {};
const kept = (all, keep) => {
  const found = [];
  for (const i of all) if (keep(i)) found.push(i);
  return found;
};
let rows = new Int32Array(size).map((_, i) => i), text = view.sql;
const where = [], bounds = [];
const word = (data, words, name, i) => words[name] ? words[name][data[name][i]] : data[name][i];
const value = (name, i) => word(columns, view.words, axes[name] ?? name, i);
const missing = v => v == null || Number.isNaN(v);
const codes = {};
view.choices.forEach((choice, k) => {
  const select = selects[k], {column, labels, every, axis} = choice;
  let options = labels;
  const places = columns[column];
  if (!axis) {
    const there = new Uint8Array(labels.length);
    for (const i of rows) there[places[i]] = 1;
    options = [...(every ? [every] : []), ...labels.filter((_, code) => there[code])];
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
    rows = kept(rows, i => places[i] == at);
    where.push(choice.sql[at]);
  }
});
rows = kept(rows, i => view.known.every(name => !missing(value(name, i))));
[[low, ">="], [high, "<="]].forEach(([control, sign]) => {
  if (control?.value == null) return;
  const end = control.value;
  const inside = sign == ">=" ? v => v >= end : v => v <= end;
  rows = kept(rows, i => inside(value(view.bounds, i)));
  bounds.push(`${view.bounds} ${sign} ${end}`);
});
const keys = [], order = [], chosen = [sort.value, direction.value == view.down];
[...view.first, chosen, ...view.ties].forEach(([name, down]) => {
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
const decoded = (data, words, some) => Object.fromEntries(
  Object.keys(data).map(name => [name, some.map(i => word(data, words, name, i))]));
const data = decoded(columns, view.words, rows);
for (const name of Object.keys(axes)) data[name] = rows.map(i => value(name, i));
for (const name of view.pictures)
  data[name] = data[name].map(i => missing(i) ? "" : pictures.data.uri[i]);
shown.data = data;
more.forEach(([from, to, words]) => {
  const all_of = from.data, names = Object.keys(codes).filter(name => name in all_of);
  const n = all_of[Object.keys(all_of)[0]].length;
  const some = kept(Array(n).keys(), i => names.every(name => all_of[name][i] == codes[name]));
  to.data = decoded(all_of, words, some);
});
const tall = view.head + Math.max(1, rows.length) * view.row;
table.height = Math.min(tall, view.tallest);
count.text = `${rows.length} of ${size} rows`;
text = text.replace("{where}", () => where.join("\\n  AND ") || "true");
text = text.replace("{bounds}", () => bounds.join("\\n  AND ") || "true");
query.text = text.replace("{order}", () => order.join(", "));
"""
