/// Sigmoid of a Q3.12 code, Q0.15, from a table of {base, slope} over |z|; the negative half
/// by sigmoid(-z) = 1 - sigmoid(z); the last magnitude gives 32767, see README. Latency 3, one a cycle.
module spacc_sigmoid (
  input  logic               clk_i,
  input  logic [2:0]         enable_i, // bit s: stage s moves
  input  logic signed [15:0] z_i,      // with enable_i[0]
  output logic signed [15:0] y_o       // 0..32767
);

  localparam int unsigned SlopeBits = spacc_card_pkg::SigmoidSlopeBits;

  logic [SlopeBits+14:0] rom_q;
  logic [SlopeBits+6:0]  product;
  logic [6:0]            fraction_q;
  logic [14:0]           base_q, rise_q;
  logic                  negative1_q, negative2_q, end1_q;

  // min(|z|, 32767); a function, so that the simulator works it out only when stage 0 moves
  function automatic logic [14:0] magnitude(input logic [15:0] z);
    magnitude = !z[15] ? z[14:0] : z[14:0] == 15'd0 ? 15'h7fff : -z[14:0];
  endfunction

  assign product = {7'd0, rom_q[SlopeBits-1:0]} * {{SlopeBits{1'b0}}, fraction_q} + (SlopeBits+7)'(64);

  always_ff @(posedge clk_i) begin
    if (enable_i[0]) begin
      rom_q       <= spacc_card_pkg::sigmoid_rom(8'(magnitude(z_i) >> 7));
      fraction_q  <= 7'(magnitude(z_i));
      negative1_q <= z_i[15];
      end1_q      <= magnitude(z_i) == 15'h7fff;
    end
    if (enable_i[1]) begin
      base_q      <= end1_q ? 15'h7fff : rom_q[SlopeBits+14:SlopeBits];
      rise_q      <= end1_q ? 15'd0 : 15'(product >> 7);
      negative2_q <= negative1_q;
    end
    // 32768 - y is 0 - (32768 + y) in 16 bits.
    if (enable_i[2]) y_o <= negative2_q ? -{1'b1, base_q + rise_q} : {1'b0, base_q + rise_q};
  end

endmodule
