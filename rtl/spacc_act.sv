/// The function of a Q3.12 code that `act_i` names: tanh in Q0.15 from a table of {base,
/// slope} over |z| with tanh(-z) = -tanh(z), or max(z, 0), or z, both in Q3.12. Latency 3,
/// one a cycle.
module spacc_act (
  input  logic               clk_i,
  input  logic [2:0]         enable_i, // bit s: stage s moves
  input  logic [1:0]         act_i,    // constant while codes are under way
  input  logic signed [15:0] z_i,      // with enable_i[0]
  output logic signed [15:0] y_o
);

  localparam int unsigned SlopeBits = spacc_card_pkg::TanhSlopeBits;

  logic [SlopeBits+14:0] rom_q;
  logic [SlopeBits+6:0]  product;
  logic [6:0]            fraction_q;
  logic [14:0]           base_q, rise_q;
  logic signed [15:0]    z1_q, z2_q, curve;

  // min(|z|, 32767); a function, so that the simulator works it out only when stage 0 moves
  function automatic logic [14:0] magnitude(input logic [15:0] z);
    magnitude = !z[15] ? z[14:0] : z[14:0] == 15'd0 ? 15'h7fff : -z[14:0];
  endfunction

  assign product = {7'd0, rom_q[SlopeBits-1:0]} * {{SlopeBits{1'b0}}, fraction_q} + (SlopeBits+7)'(64);
  assign curve   = {1'b0, base_q + rise_q};

  always_ff @(posedge clk_i) begin
    if (enable_i[0]) begin
      rom_q      <= spacc_card_pkg::tanh_rom(8'(magnitude(z_i) >> 7));
      fraction_q <= 7'(magnitude(z_i));
      z1_q       <= z_i;
    end
    if (enable_i[1]) begin
      base_q <= rom_q[SlopeBits+14:SlopeBits];
      rise_q <= 15'(product >> 7);
      z2_q   <= z1_q;
    end
    if (enable_i[2]) begin
      case (act_i)
        spacc_card_pkg::ActRelu:     y_o <= z2_q[15] ? 16'sd0 : z2_q;
        spacc_card_pkg::ActIdentity: y_o <= z2_q;
        default:                     y_o <= z2_q[15] ? -curve : curve;
      endcase
    end
  end

endmodule
