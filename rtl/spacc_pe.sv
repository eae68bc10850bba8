/// One processing element: private weight memory and vector banks, Lanes multipliers, a
/// registered adder tree and an accumulator. One position of a row enters a cycle.
///
/// Stages, each moved by its bit of `enable_i` (all PEs share them, see spacc_array):
///   0 index RAM   1 index + base   2 vector and weight RAM   3 operands   4 products
///   5.. adder tree, one level a stage   last: accumulate
/// `sum_o` holds the row's sum in the cycle after the last stage moved with the row's last
/// position. A vector word written in a cycle is seen by stage 2 from the next cycle on.
///
/// `id_i` is the only port that depends on which PE this is; it is read once, into a
/// variable, so that Verilator makes one function for all PEs.
module spacc_pe #(
  parameter  int unsigned Lanes       = 16,   // power of two, 4 or more
  parameter  int unsigned WeightBits  = 16,   // 8 or 16
  parameter  int unsigned IndexBits   = 8,
  parameter  int unsigned WeightWords = 8192,
  parameter  int unsigned VectorWords = 512,
  parameter  int unsigned AccBits     = 48,
  localparam int unsigned WordWidth   = $clog2(WeightWords),
  localparam int unsigned VectorWidth = $clog2(VectorWords),
  localparam int unsigned Quads       = Lanes / 4,
  localparam int unsigned QuadWidth   = Quads > 1 ? $clog2(Quads) : 1,
  localparam int unsigned Levels      = $clog2(Lanes),
  localparam int unsigned Stages      = Levels + 6
) (
  input  logic                      clk_i,
  input  logic [15:0]               id_i,
  // weight write: four lanes of a word of the PE that ww_pe_i named a cycle before
  input  logic                      ww_valid_i,
  input  logic [15:0]               ww_pe_i,
  input  logic [WordWidth-1:0]      ww_word_i,
  input  logic [QuadWidth-1:0]      ww_quad_i,
  input  logic [4*WeightBits-1:0]   ww_weight_i,
  input  logic [4*IndexBits-1:0]    ww_index_i,
  // vector write: four lanes of a word
  input  logic                      vw_valid_i,
  input  logic [VectorWidth-1:0]    vw_word_i,
  input  logic [QuadWidth-1:0]      vw_quad_i,
  input  logic [63:0]               vw_data_i,
  // positions
  input  logic [Stages-1:0]         enable_i,
  input  logic [WordWidth-1:0]      index_word_i,  // with enable_i[0]
  input  logic [VectorWidth-1:0]    base_i,        // with enable_i[1]
  input  logic [WordWidth-1:0]      weight_word_i, // with enable_i[2]
  input  logic                      first_i,       // with enable_i[Stages-1]
  output logic signed [AccBits-1:0] sum_o
);
  /* verilator no_inline_module */

  localparam int unsigned ProductBits = WeightBits + 16;
  localparam int unsigned TreeBits    = ProductBits + Levels;

`ifdef SYNTHESIS
  logic [15:0] id_q;
  assign id_q = id_i;
`else
  logic [15:0] id_q /* verilator public_flat_rw */;
  initial id_q = id_i;
`endif

  logic write_here_q;
  always_ff @(posedge clk_i) write_here_q <= ww_valid_i && ww_pe_i == id_q;

  for (genvar q = 0; q < Quads; q++) begin : gen_quad
    localparam logic [QuadWidth-1:0] Quad = q[QuadWidth-1:0];
    logic [4*IndexBits-1:0]  index_mem  [0:WeightWords-1];
    logic [4*WeightBits-1:0] weight_mem [0:WeightWords-1];
    logic [4*IndexBits-1:0]  index_q;
    logic [4*WeightBits-1:0] weight_q;
    logic                    write_weight, write_vector;

    assign write_weight = write_here_q && ww_quad_i == Quad;
    assign write_vector = vw_valid_i && vw_quad_i == Quad;

    // Reads come first, then blocking writes: the same RAMs, and Verilator needs no copies.
    /* verilator lint_off BLKSEQ */
    always_ff @(posedge clk_i) begin
      if (enable_i[0])  index_q  <= index_mem[index_word_i];
      if (write_weight) index_mem[ww_word_i] = ww_index_i;
    end
    always_ff @(posedge clk_i) begin
      if (enable_i[2])  weight_q <= weight_mem[weight_word_i];
      if (write_weight) weight_mem[ww_word_i] = ww_weight_i;
    end
    /* verilator lint_on BLKSEQ */

    for (genvar l = 0; l < 4; l++) begin : gen_lane
      logic        [15:0]            vector_mem [0:VectorWords-1];
      logic        [VectorWidth-1:0] address_q;
      logic signed [15:0]            read_q, x_q;
      logic signed [WeightBits-1:0]  weight_op_q;
      logic signed [ProductBits-1:0] product_q;

      /* verilator lint_off BLKSEQ */
      always_ff @(posedge clk_i) begin
        if (enable_i[2])  read_q <= vector_mem[address_q];
        if (write_vector) vector_mem[vw_word_i] = vw_data_i[16*l +: 16];
      end
      /* verilator lint_on BLKSEQ */

      always_ff @(posedge clk_i) begin
        if (enable_i[1]) address_q <= base_i + VectorWidth'(index_q[IndexBits*l +: IndexBits]);
        if (enable_i[3]) begin
          x_q         <= read_q;
          weight_op_q <= weight_q[WeightBits*l +: WeightBits];
        end
        if (enable_i[4]) product_q <= x_q * weight_op_q;
      end
    end
  end

  for (genvar v = 0; v <= Levels; v++) begin : gen_level
    for (genvar n = 0; n < (Lanes >> v); n++) begin : gen_node
      logic signed [ProductBits+v-1:0] sum;
      if (v == 0) begin : gen_leaf
        assign sum = gen_quad[n/4].gen_lane[n%4].product_q;
      end else begin : gen_add
        always_ff @(posedge clk_i) begin
          if (enable_i[4+v]) sum <= gen_level[v-1].gen_node[2*n].sum + gen_level[v-1].gen_node[2*n+1].sum;
        end
      end
    end
  end

  logic signed [TreeBits-1:0] tree;
  logic signed [AccBits-1:0]  acc_q;

  assign tree  = gen_level[Levels].gen_node[0].sum;
  assign sum_o = acc_q;

  always_ff @(posedge clk_i) begin
    if (enable_i[Stages-1]) acc_q <= first_i ? AccBits'(tree) : acc_q + AccBits'(tree);
  end

`ifndef SYNTHESIS
  initial assert (Lanes >= 4 && (Lanes & (Lanes - 1)) == 0)
    else $fatal(1, "Lanes must be a power of two, 4 or more");
  initial assert (AccBits > TreeBits) else $fatal(1, "AccBits must hold the sum of a position");

  // Positions of a row are few enough that a sum never leaves the accumulator. The array
  // asserts it: a message with the instance's name in here would make the PEs differ.
  logic signed [AccBits-1:0] next;
  logic                      overflow_q;
  assign next = acc_q + AccBits'(tree);
  initial overflow_q = 1'b0;
  always_ff @(posedge clk_i) begin
    if (enable_i[Stages-1])
      overflow_q <= !first_i && acc_q[AccBits-1] == tree[TreeBits-1] && next[AccBits-1] != acc_q[AccBits-1];
  end
`endif

endmodule
