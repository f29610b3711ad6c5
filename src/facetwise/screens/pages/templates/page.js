
(function () {
  "use strict";
  var figures = JSON.parse(document.getElementById("figures").textContent);
  var config = { displayModeBar: false, responsive: true, showTips: false };
  var plots = Array.prototype.slice.call(document.querySelectorAll("[data-figure]"));
  var narrow = window.matchMedia("print");

  plots.forEach(function (plot) {
    var figure = figures[plot.dataset.figure];
    Plotly.newPlot(plot, figure.data, figure.layout, config);
  });

  // Paper is narrower than most windows; Plotly draws to pixels, so it has to draw again.
  function fit() {
    plots.forEach(function (plot) {
      var width = narrow.matches ? Math.min(plot.clientWidth, 680) : null;
      Plotly.relayout(plot, width ? { width: width, autosize: false } : { width: null, autosize: true });
    });
  }
  narrow.addEventListener("change", fit);
})();
