// Plays one fold of N passing values: A (N x ROWS) from the left; from a file, then B: (N x COLUMNS) from the top where
// sums stay, else the weights (ROWS x COLUMNS). Prints the cycles in which a cell works, then the sums row by row.
module bench;
  parameter int ROWS = 4;
  parameter int COLUMNS = 4;
  parameter bit SUMS_STAY = 1;
  parameter int N = 4;

  logic clock = 0, reset = 1;
  logic [ROWS-1:0] left_valid = 0;
  logic [ROWS*16-1:0] left = 0;
  logic [COLUMNS*16-1:0] top = 0;
  logic [ROWS*COLUMNS*16-1:0] weights = 0;
  logic [ROWS*COLUMNS-1:0] working;
  logic [ROWS*COLUMNS*48-1:0] sums;
  systolic #(
      .ROWS(ROWS),
      .COLUMNS(COLUMNS),
      .SUMS_STAY(SUMS_STAY)
  ) array (.*);

  always #1 clock = !clock;

  string name;
  int file, value, cycles = 0;
  logic signed [15:0] a[N*ROWS];
  logic signed [15:0] b[N*COLUMNS];
  logic signed [47:0] shown;
  initial begin
    if (!$value$plusargs("stimuli=%s", name)) $fatal(1, "no stimuli");
    file = $fopen(name, "r");
    for (int i = 0; i < N * ROWS; i++) begin
      if ($fscanf(file, "%d", value) != 1) $fatal(1, "short file");
      a[i] = value;
    end
    for (int i = 0; i < (SUMS_STAY ? N : ROWS) * COLUMNS; i++) begin
      if ($fscanf(file, "%d", value) != 1) $fatal(1, "short file");
      if (SUMS_STAY) b[i] = value;
      else weights[i*16+:16] = value;
    end
    @(negedge clock);
    // Long enough for every value to fall out at the far corner.
    for (int t = 0; t < N + ROWS + COLUMNS + 2; t++) begin
      reset = 0;
      for (int i = 0; i < ROWS; i++) begin
        left_valid[i] = t >= i && t - i < N;
        if (left_valid[i]) left[i*16+:16] = a[(t-i)*ROWS+i];
      end
      for (int j = 0; j < COLUMNS; j++) if (SUMS_STAY && t >= j && t - j < N) top[j*16+:16] = b[(t-j)*COLUMNS+j];
      #0.5;
      if (working != 0) cycles++;
      @(negedge clock);
      // Where weights stay, value n leaves column j behind the last row in cycle n + j + ROWS.
      if (!SUMS_STAY)
        for (int j = 0; j < COLUMNS; j++)
          if (t - j - ROWS + 1 >= 0 && t - j - ROWS + 1 < N) begin
            shown = sums[((ROWS-1)*COLUMNS+j)*48+:48];
            $display("%0d %0d %0d", t - j - ROWS + 1, j, shown);
          end
    end
    if (SUMS_STAY)
      for (int i = 0; i < ROWS * COLUMNS; i++) begin
        shown = sums[i*48+:48];
        $display("%0d %0d %0d", i / COLUMNS, i % COLUMNS, shown);
      end
    $display("cycles %0d", cycles);
    $finish;
  end
endmodule
