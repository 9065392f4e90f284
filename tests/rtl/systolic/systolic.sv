// A systolic array of ROWS x COLUMNS multipliers for one fold (Kung, "Why Systolic Architectures?", 1982).
//
// Values of a row enter at the left and pass to the right, one cell a cycle; the bench lets row i start i cycles late.
// With SUMS_STAY values also enter at the top, column j starting j cycles late, and each cell adds its products up.
// Otherwise each cell holds a weight, and sums enter as zero at the top and leave below the last row.
// The last column and row pass nothing on, and of `top` and `weights` one is idle.
// verilator lint_off UNUSEDSIGNAL
module systolic #(
    parameter int ROWS = 4,
    parameter int COLUMNS = 4,
    parameter bit SUMS_STAY = 1,
    parameter int VALUE_BITS = 16,
    parameter int SUM_BITS = 48
) (
    input logic clock,
    input logic reset,
    input logic [ROWS-1:0] left_valid,
    input logic [ROWS*VALUE_BITS-1:0] left,
    input logic [COLUMNS*VALUE_BITS-1:0] top,
    input logic [ROWS*COLUMNS*VALUE_BITS-1:0] weights,
    output logic [ROWS*COLUMNS-1:0] working,  // cells that multiply in this cycle
    output logic [ROWS*COLUMNS*SUM_BITS-1:0] sums  // of every cell, behind its register
);
  for (genvar i = 0; i < ROWS; i++) begin : g_row
    for (genvar j = 0; j < COLUMNS; j++) begin : g_column
      localparam int CELL = i * COLUMNS + j;
      logic signed [VALUE_BITS-1:0] across, down, across_held, down_held, factor;
      logic signed [SUM_BITS-1:0] incoming, sum;
      logic valid, valid_held;

      if (j == 0) begin : g_left
        assign valid  = left_valid[i];
        assign across = left[i*VALUE_BITS+:VALUE_BITS];
      end else begin : g_beside
        assign valid  = g_row[i].g_column[j-1].valid_held;
        assign across = g_row[i].g_column[j-1].across_held;
      end
      if (i == 0) begin : g_top
        assign down   = top[j*VALUE_BITS+:VALUE_BITS];
        assign incoming = SUMS_STAY ? sum : '0;
      end else begin : g_below
        assign down   = g_row[i-1].g_column[j].down_held;
        assign incoming = SUMS_STAY ? sum : g_row[i-1].g_column[j].sum;
      end
      assign factor = SUMS_STAY ? down : weights[CELL*VALUE_BITS+:VALUE_BITS];
      assign working[CELL] = valid;
      assign sums[CELL*SUM_BITS+:SUM_BITS] = sum;

      always_ff @(posedge clock) begin
        valid_held  <= valid && !reset;
        across_held <= across;
        down_held   <= down;
        if (reset) sum <= '0;
        else if (valid) sum <= incoming + SUM_BITS'(across) * SUM_BITS'(factor);
      end
    end
  end
endmodule
// verilator lint_on UNUSEDSIGNAL
