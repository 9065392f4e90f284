// Plays the windows of a file: per window its number of entries, their steps and values, then its neurons.
// Prints per window the cycles that work, those that do not, the sum, and the cycles between the end and the sum.
module bench;
  parameter int SELECTED = 16;
  parameter int WINDOW = 256;
  parameter int INDEX_BITS = 8;

  logic clock = 0, reset = 1, sb_write = 0, window_valid = 0;
  logic [$clog2(WINDOW)-1:0] sb_place;
  logic [INDEX_BITS-1:0] sb_step;
  logic signed [15:0] sb_value;
  logic [$clog2(WINDOW+1)-1:0] window_entries = 0;
  logic [WINDOW*16-1:0] neurons = 0;
  logic window_done, working, sum_valid;
  logic signed [47:0] sum;
  cambricon_x #(
      .SELECTED(SELECTED),
      .WINDOW(WINDOW),
      .INDEX_BITS(INDEX_BITS)
  ) pe (.*);

  always #1 clock = !clock;

  string name;
  int file, windows, entries, step, value, busy, index, late;
  logic done;
  initial begin
    if (!$value$plusargs("stimuli=%s", name)) $fatal(1, "no stimuli");
    file = $fopen(name, "r");
    if ($fscanf(file, "%d", windows) != 1) $fatal(1, "no windows");
    @(negedge clock);
    @(negedge clock) reset = 0;
    for (int w = 0; w < windows; w++) begin
      if ($fscanf(file, "%d", entries) != 1) $fatal(1, "short file");
      for (int i = 0; i < entries; i++) begin
        if ($fscanf(file, "%d %d", step, value) != 2) $fatal(1, "short file");
        sb_write = 1;
        sb_place = i;
        sb_step  = step;
        sb_value = value;
        @(negedge clock);
      end
      sb_write = 0;
      for (int i = 0; i < WINDOW; i++) begin
        if ($fscanf(file, "%d", value) != 1) $fatal(1, "short file");
        neurons[i*16+:16] = value;
      end
      window_entries = entries;
      window_valid = 1;
      busy = 0;
      index = 0;
      done = 0;
      while (!done) begin
        #0.5;
        if (working) busy++;
        else index++;
        done = window_done;
        @(negedge clock);
      end
      window_valid = 0;
      for (late = 1; !sum_valid; late++) @(negedge clock);
      $display("%0d %0d %0d %0d", busy, index, sum, late);
    end
    $finish;
  end
endmodule
