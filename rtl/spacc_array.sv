/// The PEs in lock step, and the serialiser that gives a group's sums out quad by quad.
///
/// `issue_*` enters one position of a row group a cycle; there is no stall. The group's
/// first quad (PEs 0..3) appears Levels + 8 cycles after its last position was on
/// `issue_*`, then one quad a cycle. Groups must end at least Pes / 4 cycles apart.
/// `flush_i` forgets everything under way.
module spacc_array #(
  parameter  int unsigned Pes         = 16, // multiple of 4
  parameter  int unsigned Lanes       = 16,
  parameter  int unsigned WeightBits  = 16,
  parameter  int unsigned IndexBits   = 8,
  parameter  int unsigned WeightWords = 8192,
  parameter  int unsigned VectorWords = 512,
  parameter  int unsigned AccBits     = 48,
  localparam int unsigned WordWidth   = $clog2(WeightWords),
  localparam int unsigned VectorWidth = $clog2(VectorWords),
  localparam int unsigned QuadWidth   = Lanes > 4 ? $clog2(Lanes / 4) : 1
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,       // synchronous, active low
  input  logic                    flush_i,
  // weight write: four lanes of a word of PE ww_pe_i
  input  logic                    ww_valid_i,
  input  logic [15:0]             ww_pe_i,
  input  logic [WordWidth-1:0]    ww_word_i,
  input  logic [QuadWidth-1:0]    ww_quad_i,
  input  logic [4*WeightBits-1:0] ww_weight_i,
  input  logic [4*IndexBits-1:0]  ww_index_i,
  // vector write: four lanes of a word of every PE
  input  logic                    vw_valid_i,
  input  logic [VectorWidth-1:0]  vw_word_i,
  input  logic [QuadWidth-1:0]    vw_quad_i,
  input  logic [63:0]             vw_data_i,
  // positions
  input  logic                    issue_valid_i,
  input  logic                    issue_first_i, // of a group
  input  logic                    issue_last_i,  // of a group
  input  logic [WordWidth-1:0]    issue_word_i,
  input  logic [VectorWidth-1:0]  issue_base_i,  // vector word of index 0
  // sums of four rows, PE 4q in the low bits
  output logic                    quad_valid_o,
  output logic [4*AccBits-1:0]    quad_sums_o
);

  localparam int unsigned Stages    = $clog2(Lanes) + 6;
  localparam int unsigned Quads     = Pes / 4;
  localparam int unsigned LeftWidth = $clog2(Quads + 1);

  // Bit s: stage s moves in this cycle; bit Stages: a sum stands in the accumulators.
  logic [Stages:0]        valid_q;
  logic [Stages-1:0]      first_q;
  logic [Stages:0]        last_q;
  logic [WordWidth-1:0]   word_q, weight_word_q, word_wait_q;
  logic [VectorWidth-1:0] base_q, base_wait_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) valid_q <= '0;
    else                    valid_q <= {valid_q[Stages-1:0], issue_valid_i};
    first_q <= {first_q[Stages-2:0], issue_first_i};
    last_q  <= {last_q[Stages-1:0], issue_last_i};
    if (issue_valid_i) begin
      word_q      <= issue_word_i;
      base_wait_q <= issue_base_i;
    end
    if (valid_q[0]) begin
      word_wait_q <= word_q;
      base_q      <= base_wait_q;
    end
    if (valid_q[1]) weight_word_q <= word_wait_q;
  end

  // Serialiser: a row of registers, one a PE, that moves down a quad a cycle.
  logic                 capture, shift;
  logic [LeftWidth-1:0] left_q;

  assign capture      = valid_q[Stages] && last_q[Stages];
  assign shift        = left_q != '0;
  assign quad_valid_o = shift;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) left_q <= '0;
    else if (capture)       left_q <= LeftWidth'(Quads);
    else if (shift)         left_q <= left_q - 1'b1;
  end

  // The PEs compare ww_pe_i first and write in the next cycle.
  logic [WordWidth-1:0]    ww_word_q;
  logic [QuadWidth-1:0]    ww_quad_q;
  logic [4*WeightBits-1:0] ww_weight_q;
  logic [4*IndexBits-1:0]  ww_index_q;
  always_ff @(posedge clk_i) begin
    if (ww_valid_i) begin
      ww_word_q   <= ww_word_i;
      ww_quad_q   <= ww_quad_i;
      ww_weight_q <= ww_weight_i;
      ww_index_q  <= ww_index_i;
    end
  end

  for (genvar p = 0; p < Pes; p++) begin : gen_pe
    logic signed [AccBits-1:0] sum, sum_q;

    spacc_pe #(
      .Lanes(Lanes), .WeightBits(WeightBits), .IndexBits(IndexBits), .WeightWords(WeightWords),
      .VectorWords(VectorWords), .AccBits(AccBits)
    ) u_pe (
      .clk_i(clk_i),
      .id_i(p[15:0]),
      .ww_valid_i(ww_valid_i),
      .ww_pe_i(ww_pe_i),
      .ww_word_i(ww_word_q),
      .ww_quad_i(ww_quad_q),
      .ww_weight_i(ww_weight_q),
      .ww_index_i(ww_index_q),
      .vw_valid_i(vw_valid_i),
      .vw_word_i(vw_word_i),
      .vw_quad_i(vw_quad_i),
      .vw_data_i(vw_data_i),
      .enable_i(valid_q[Stages-1:0]),
      .index_word_i(word_q),
      .base_i(base_q),
      .weight_word_i(weight_word_q),
      .first_i(first_q[Stages-1]),
      .sum_o(sum)
    );

`ifndef SYNTHESIS
    SumFits: assert property (@(posedge clk_i) disable iff (!rst_ni) valid_q[Stages] |-> !u_pe.overflow_q)
        else $error("accumulator overflow");
`endif

    if (p + 4 < Pes) begin : gen_move
      always_ff @(posedge clk_i) begin
        if (capture)    sum_q <= sum;
        else if (shift) sum_q <= gen_pe[p+4].sum_q;
      end
    end else begin : gen_end
      always_ff @(posedge clk_i) if (capture) sum_q <= sum;
    end
  end

  assign quad_sums_o = {gen_pe[3].sum_q, gen_pe[2].sum_q, gen_pe[1].sum_q, gen_pe[0].sum_q};

`ifndef SYNTHESIS
  initial assert (Pes >= 4 && Pes % 4 == 0) else $fatal(1, "Pes must be a multiple of 4");

  // A new group may replace the last quad in the cycle in which that one leaves.
  Apart: assert property (@(posedge clk_i) disable iff (!rst_ni)
      capture |-> left_q == '0 || left_q == LeftWidth'(1))
      else $error("groups end less than Pes / 4 cycles apart");
`endif

endmodule
