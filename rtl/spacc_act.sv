/// One activation function of a Q3.12 code. Sigmoid = 1: sigmoid, Q0.15; otherwise the one
/// that `act_i` names: tanh in Q0.15, or max(z, 0) and z in Q3.12. Latency 3, one a cycle.
module spacc_act #(
  parameter bit Sigmoid = 1'b0
) (
  input  logic               clk_i,
  input  logic [2:0]         enable_i, // bit s: stage s moves
  input  logic [1:0]         act_i,    // constant while codes are under way
  input  logic signed [15:0] z_i,      // with enable_i[0]
  output logic signed [15:0] y_o
);

  localparam int unsigned SlopeBits = Sigmoid ? spacc_card_pkg::SigmoidSlopeBits : spacc_card_pkg::TanhSlopeBits;

  logic [14:0]              magnitude;
  logic [SlopeBits+14:0]    rom_q;
  logic [6:0]               fraction_q;
  logic signed [15:0]       z1_q, z2_q;
  logic [14:0]              base_q, rise_q;
  logic [SlopeBits+6:0]     product;
  logic signed [15:0]       curve;

  always_comb begin
    magnitude = z_i[14:0];
    if (z_i[15]) magnitude = z_i[14:0] == 15'd0 ? 15'h7fff : -z_i[14:0];
  end

  if (Sigmoid) begin : gen_sigmoid
    always_ff @(posedge clk_i) if (enable_i[0]) rom_q <= spacc_card_pkg::sigmoid_rom(magnitude[14:7]);
    // sigmoid(-z) = 1 - sigmoid(z)
    assign curve = z2_q[15] ? 16'sd0 - {1'b1, base_q + rise_q} : {1'b0, base_q + rise_q};
    logic unused_bits;
    assign unused_bits = ^{act_i, z2_q[14:0]};
  end else begin : gen_tanh
    always_ff @(posedge clk_i) if (enable_i[0]) rom_q <= spacc_card_pkg::tanh_rom(magnitude[14:7]);
    always_comb begin
      curve = {1'b0, base_q + rise_q};
      if (z2_q[15]) curve = -curve;
      if (act_i == spacc_card_pkg::ActRelu)     curve = z2_q[15] ? 16'sd0 : z2_q;
      if (act_i == spacc_card_pkg::ActIdentity) curve = z2_q;
    end
  end

  assign product = {7'd0, rom_q[SlopeBits-1:0]} * {{SlopeBits{1'b0}}, fraction_q} + (SlopeBits+7)'(64);

  always_ff @(posedge clk_i) begin
    if (enable_i[0]) begin
      fraction_q <= magnitude[6:0];
      z1_q       <= z_i;
    end
    if (enable_i[1]) begin
      base_q <= rom_q[SlopeBits+14:SlopeBits];
      rise_q <= 15'(product >> 7);
      z2_q   <= z1_q;
    end
    if (enable_i[2]) y_o <= curve;
  end

endmodule
