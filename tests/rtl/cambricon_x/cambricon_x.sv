// A PE of Cambricon-X with its indexing module (Zhang et al., MICRO 2016).
//
// A window of dense neurons stands on `neurons`. The synapse buffer (SB) holds the filter's stored weights, each with
// the number of zeros skipped since the one before it (step index); a stored zero is a filler. Every cycle the
// indexing module adds up the steps of the next SELECTED entries, picks their neurons out of the window, and the
// products are added into one sum. A run of zeros starts anew with each window, and a window without entries takes a
// cycle. Counters are exact in the cycle that `window_done` tells; the sum follows one register later.
module cambricon_x #(
    parameter int SELECTED = 16,  // neurons selected, and products, a cycle
    parameter int WINDOW = 256,  // neurons
    parameter int INDEX_BITS = 8,  // of a step
    parameter int VALUE_BITS = 16,
    parameter int SUM_BITS = 48
) (
    input logic clock,
    input logic reset,
    // The synapse buffer is written entry by entry while the PE rests.
    input logic sb_write,
    input logic [$clog2(WINDOW)-1:0] sb_place,
    input logic [INDEX_BITS-1:0] sb_step,
    input logic signed [VALUE_BITS-1:0] sb_value,
    // A window, held until `window_done`.
    input logic window_valid,
    input logic [$clog2(WINDOW+1)-1:0] window_entries,
    input logic [WINDOW*VALUE_BITS-1:0] neurons,
    output logic window_done,
    output logic working,  // at least one weight of this cycle is no filler
    output logic sum_valid,
    output logic signed [SUM_BITS-1:0] sum
);
  logic [INDEX_BITS-1:0] steps[WINDOW];
  logic signed [VALUE_BITS-1:0] values[WINDOW];

  always_ff @(posedge clock)
    if (sb_write) begin
      steps[sb_place]  <= sb_step;
      values[sb_place] <= sb_value;
    end

  logic [31:0] next_entry;  // of the window
  logic [31:0] next_neuron;  // the place behind the last selected neuron
  logic signed [SUM_BITS-1:0] partial;  // sum of the window so far

  logic [31:0] place;
  logic [31:0] entries;
  logic signed [SUM_BITS-1:0] total;
  logic signed [SUM_BITS-1:0] value;
  logic signed [SUM_BITS-1:0] neuron;
  logic signed [VALUE_BITS-1:0] picked;

  always_comb begin
    entries = 32'(window_entries);
    place   = next_neuron;
    total   = partial;
    working = 1'b0;
    value   = '0;
    neuron  = '0;
    picked  = '0;
    for (int lane = 0; lane < SELECTED; lane++) begin
      if (window_valid && next_entry + lane < entries) begin
        place   = place + 32'(steps[next_entry+lane]);
        picked  = neurons[place*VALUE_BITS+:VALUE_BITS];
        value   = SUM_BITS'(values[next_entry+lane]);
        neuron  = SUM_BITS'(picked);
        total   = total + value * neuron;
        working = working | (value != 0);
        place   = place + 1;
      end
    end
    window_done = window_valid && next_entry + SELECTED >= entries;
  end

  always_ff @(posedge clock) begin
    sum_valid <= window_done && !reset;
    sum <= total;
    if (reset || window_done) begin
      next_entry <= 0;
      next_neuron <= 0;
      partial <= '0;
    end else if (window_valid) begin
      next_entry <= next_entry + SELECTED;
      next_neuron <= place;
      partial <= total;
    end
  end
endmodule
