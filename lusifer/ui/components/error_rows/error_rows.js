// Errors with their intervals, a row a predictor. Texts are set as text, never as HTML.

export default function ({ data, parentElement }) {
  const at = (value) => `${(100 * (value - data.from)) / (data.to - data.from)}%`;
  const rows = data.rows.map(({ name, simulator, rmse, low, high }) => {
    const track = make("span", { class: "track", "aria-hidden": "true" },
      data.ticks.map((tick) => make("u", { style: `left:${at(tick)}` })));
    if (low !== null && high !== null) track.append(make("s", { style: `left:${at(low)};right:calc(100% - ${at(high)})` }));
    track.append(make("i", { style: `left:${at(rmse)}` }));
    const interval = low === null || high === null ? "" : ` ${low.toFixed(3)} to ${high.toFixed(3)}`;
    return make("li", { class: simulator ? "row simulator" : "row" }, make("span", { class: "name" }, name), track,
      make("span", { class: "figures" }, make("b", {}, rmse.toFixed(3)), interval));
  });
  const axis = make("div", { class: "row axis", "aria-hidden": "true" }, make("span"), make("span", { class: "track" },
    data.ticks.map((tick) => make("em", { style: `left:${at(tick)}` }, String(tick)))), make("span"));
  parentElement.querySelector(".error-rows").replaceChildren(
    make("ul", { "aria-label": "RMSE on held-out ratings, with its interval" }, rows), axis);
}
