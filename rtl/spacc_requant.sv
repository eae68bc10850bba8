/// One row of a quad: v = sat32(rnd((sum + bias) * mult, shift)) with the row's own
/// parameters, and z = sat20(v), or sat16(v) where `narrow_i` says so. rnd adds half of the last place, then shifts down;
/// a shift of 0 means 64 and gives 0. Latency 6 cycles, one row a cycle.
module spacc_requant #(
  parameter  int unsigned Units     = 2048,
  parameter  int unsigned AccBits   = 48,
  localparam int unsigned UnitWidth = $clog2(Units)
) (
  input  logic                      clk_i,
  // parameter write: {shift 6, mult 16, bias 32}
  input  logic                      pw_valid_i,
  input  logic [UnitWidth-1:0]      pw_unit_i,
  input  logic [53:0]               pw_data_i,
  input  logic                      narrow_i,   // constant during a pass
  // rows
  input  logic [5:0]                enable_i,   // bit s: stage s moves
  input  logic [UnitWidth-1:0]      unit_i,     // with enable_i[0]
  input  logic signed [AccBits-1:0] sum_i,      // with enable_i[0]
  output logic signed [31:0]        v_o,
  output logic signed [19:0]        z_o,
  output logic                      cut32_o,
  output logic                      cut_z_o
);

  localparam int unsigned TotalBits = AccBits + 1;
  localparam int unsigned LowBits   = 24;               // of a total, for the multiplier
  localparam int unsigned HighBits  = TotalBits - LowBits;

  logic [53:0] param_mem [0:Units-1];
  logic [53:0] param_q;

  /* verilator lint_off BLKSEQ */
  always_ff @(posedge clk_i) begin
    if (enable_i[0]) param_q <= param_mem[unit_i];
    if (pw_valid_i)  param_mem[pw_unit_i] = pw_data_i;
  end
  /* verilator lint_on BLKSEQ */

  logic signed [AccBits-1:0]   sum_q;
  logic signed [31:0]          bias;
  logic signed [TotalBits-1:0] total_q;
  logic signed [16:0]          mult_q;
  logic        [5:0]           shift1_q, shift2_q, shift3_q;
  logic        [LowBits+15:0]  low_q;
  logic signed [HighBits+16:0] high_q;
  // |sum + bias| * mult < 2^63 for 48-bit sums: the product needs no 65th bit.
  logic signed [63:0]          product_q, shifted_q;

  assign bias = param_q[31:0];

  // Functions, so that the simulator works them out only when stage 5 moves.
  // (v + half) >> s is (v >> s) plus the highest bit that the shift drops.
  function automatic logic signed [63:0] rounded(input logic signed [63:0] shifted);
    rounded = (shifted >>> 1) + $signed({63'd0, shifted[0]}); // unsigned would shift in zeros
  endfunction
  function automatic logic [32:0] row_v(input logic signed [63:0] whole); // {cut, v}
    row_v = whole[63:31] == {33{whole[63]}} ? {1'b0, whole[31:0]} : {1'b1, whole[63], {31{!whole[63]}}};
  endfunction
  function automatic logic [20:0] row_z(input logic signed [63:0] whole, input logic narrow); // {cut, z}
    row_z = whole[63:19] == {45{whole[63]}} && (!narrow || whole[19:15] == {5{whole[63]}})
            ? {1'b0, whole[19:0]} : {1'b1, whole[63], {4{whole[63] ^ !narrow}}, {15{!whole[63]}}};
  endfunction

  always_ff @(posedge clk_i) begin
    if (enable_i[0]) sum_q <= sum_i;
    if (enable_i[1]) begin
      total_q  <= TotalBits'(sum_q) + TotalBits'(bias);
      mult_q   <= {1'b0, param_q[47:32]};
      shift1_q <= param_q[53:48];
    end
    if (enable_i[2]) begin
      low_q    <= {16'd0, total_q[LowBits-1:0]} * {{LowBits{1'b0}}, mult_q[15:0]};
      high_q   <= $signed(total_q[TotalBits-1:LowBits]) * mult_q;
      shift2_q <= shift1_q;
    end
    if (enable_i[3]) begin
      product_q <= {high_q[63-LowBits:0], {LowBits{1'b0}}} + {{(48-LowBits){1'b0}}, low_q};
      shift3_q  <= shift2_q - 6'd1;
    end
    if (enable_i[4]) shifted_q <= product_q >>> shift3_q;
    if (enable_i[5]) begin
      {cut32_o, v_o} <= row_v(rounded(shifted_q));
      {cut_z_o, z_o} <= row_z(rounded(shifted_q), narrow_i);
    end
  end

  logic unused_high; // copies of the sign
  assign unused_high = ^high_q[HighBits+16:64-LowBits];

`ifndef SYNTHESIS
  initial assert (AccBits == 48) else $fatal(1, "widths of the product need AccBits = 48");
`endif

endmodule
