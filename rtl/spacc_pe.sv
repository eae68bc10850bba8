/// One processing element: private weight memory and vector banks, Lanes multipliers, a
/// registered adder tree, an accumulator and a memory of partial sums. One position of a
/// row enters a cycle.
///
/// With Rows = 4 it is four of them that share indices and vector banks: four rows, the gates
/// of a unit, keep weights at the same columns, and the indices of the first row count. With
/// ActBits < 16 two rows share a multiplier as well (sparse/dsp_pack.h): one 27 x ActBits
/// product holds both, which is exact for weights -127..127 and ActBits up to 12.
///
/// Stages, each moved by its bit of `enable_i` (all PEs share them, see spacc_array):
///   0 index RAM   1 index + base   2 vector and weight RAM   3 operands   4 products
///   5.. adder tree, one level a stage   last: accumulate
/// `sum_o` holds the row's sum in the cycle after the last stage moved with the row's last
/// position; `psum_write_i` in that cycle keeps it. A vector word written in a cycle is seen
/// by stage 2 from the next cycle on.
///
/// `id_i`, the number of the first row's PE / Rows, is the only port that depends on which PE this is; it is read once, into a
/// variable, so that Verilator makes one function for all PEs.
module spacc_pe #(
  parameter  int unsigned Lanes       = 16,   // power of two, 4 or more
  parameter  int unsigned BeatLanes   = 4,    // lanes of a weight or x write
  parameter  int unsigned HLanes      = 4,    // lanes of an h write
  parameter  int unsigned Rows        = 1,    // 1 or 4
  parameter  int unsigned WeightBits  = 16,   // 8 or 16
  parameter  int unsigned ActBits     = 16,   // of x and h; 10..12 with Rows 4 and WeightBits 8
  parameter  int unsigned IndexBits   = 8,
  parameter  int unsigned WeightWords = 8192,
  parameter  int unsigned XWords      = 512,
  parameter  int unsigned HWords      = 512,
  parameter  int unsigned PsumWords   = 64,
  parameter  int unsigned AccBits     = 48,
  localparam int unsigned WordWidth   = $clog2(WeightWords),
  localparam int unsigned XWidth      = $clog2(XWords),
  localparam int unsigned HWidth      = $clog2(HWords),
  localparam int unsigned BaseWidth   = XWidth > HWidth ? XWidth : HWidth,
  localparam int unsigned PsumWidth   = $clog2(PsumWords),
  localparam int unsigned Quads       = Lanes / 4,
  localparam int unsigned BeatWidth   = Lanes > BeatLanes ? $clog2(Lanes / BeatLanes) : 1,
  localparam int unsigned SliceWidth  = Lanes > HLanes ? $clog2(Lanes / HLanes) : 1,
  localparam int unsigned Levels      = $clog2(Lanes),
  localparam int unsigned Stages      = Levels + 6
) (
  input  logic                            clk_i,
  input  logic [15:0]                     id_i,
  // weight write: BeatLanes lanes of a word of the PE that ww_pe_i named a cycle before
  input  logic                            ww_valid_i,
  input  logic [15:0]                     ww_pe_i,
  input  logic [WordWidth-1:0]            ww_word_i,
  input  logic [BeatWidth-1:0]            ww_slice_i,
  input  logic [BeatLanes*WeightBits-1:0] ww_weight_i,
  input  logic [BeatLanes*IndexBits-1:0]  ww_index_i,
  // x write: BeatLanes lanes of a word
  input  logic                            xw_valid_i,
  input  logic [XWidth-1:0]               xw_word_i,
  input  logic [BeatWidth-1:0]            xw_slice_i,
  input  logic [BeatLanes*ActBits-1:0]    xw_data_i,
  // h write: HLanes lanes of a word, those of the mask
  input  logic                            hw_valid_i,
  input  logic [HWidth-1:0]               hw_word_i,
  input  logic [SliceWidth-1:0]           hw_slice_i,
  input  logic [HLanes-1:0]               hw_mask_i,
  input  logic [HLanes*ActBits-1:0]       hw_data_i,
  // positions
  input  logic [Stages-1:0]               enable_i,
  input  logic [WordWidth-1:0]            index_word_i,  // with enable_i[0]
  input  logic [BaseWidth-1:0]            base_i,        // with enable_i[1]
  input  logic [WordWidth-1:0]            weight_word_i, // with enable_i[2]
  input  logic                            h_read_i,      // with enable_i[2]: h memory, not x
  input  logic                            h_use_i,       // with enable_i[3]: the same
  input  logic                            h_zero_i,      // with enable_i[3]: h is 0
  input  logic                            psum_read_i,   // with enable_i[Stages-2]
  input  logic [PsumWidth-1:0]            psum_read_word_i,
  input  logic                            first_i,       // with enable_i[Stages-1]
  input  logic                            from_psum_i,   // with first_i
  input  logic                            psum_write_i,  // sum_o to psum_write_word_i
  input  logic [PsumWidth-1:0]            psum_write_word_i,
  output logic [Rows*AccBits-1:0]         sums_o
);
  /* verilator no_inline_module */

  localparam int unsigned ProductBits = WeightBits + ActBits;
  localparam int unsigned HighAt      = 19; // of the second weight in a packed product
  localparam int unsigned TreeBits    = ProductBits + Levels;
  localparam int unsigned BeatQuads   = BeatLanes / 4;

`ifdef SYNTHESIS
  logic [15:0] id_q;
  assign id_q = id_i;
`else
  logic [15:0] id_q /* verilator public_flat_rw */;
  initial id_q = id_i;
`endif

  logic [Rows-1:0] write_here_q;
  for (genvar r = 0; r < Rows; r++) begin : gen_here
    always_ff @(posedge clk_i) write_here_q[r] <= ww_valid_i && ww_pe_i == id_q * 16'(Rows) + 16'(r);
  end

  for (genvar q = 0; q < Quads; q++) begin : gen_quad
    localparam int unsigned Part = q % BeatQuads;              // of a beat
    localparam logic [BeatWidth-1:0] Beat = BeatWidth'(q / BeatQuads);
    logic [4*IndexBits-1:0]       index_mem [0:WeightWords-1];
    logic [4*IndexBits-1:0]       index_q;

    // Reads come first, then blocking writes: the same RAMs, and Verilator needs no copies.
    /* verilator lint_off BLKSEQ */
    always_ff @(posedge clk_i) begin
      if (enable_i[0]) index_q <= index_mem[index_word_i];
      if (write_here_q[0]) begin // outermost, so that a simulator asks once for all lanes
        if (ww_slice_i == Beat) index_mem[ww_word_i] = ww_index_i[4*IndexBits*Part +: 4*IndexBits];
      end
    end
    for (genvar r = 0; r < Rows; r++) begin : gen_weights
      logic [4*WeightBits-1:0] weight_mem [0:WeightWords-1];
      logic [4*WeightBits-1:0] weight_q;
      always_ff @(posedge clk_i) begin
        if (enable_i[2]) weight_q <= weight_mem[weight_word_i];
        if (write_here_q[r]) begin
          if (ww_slice_i == Beat) weight_mem[ww_word_i] = ww_weight_i[4*WeightBits*Part +: 4*WeightBits];
        end
      end
    end
    /* verilator lint_on BLKSEQ */

    for (genvar l = 0; l < 4; l++) begin : gen_lane
      localparam int unsigned Lane = 4 * q + l;
      localparam logic [SliceWidth-1:0] Slice = SliceWidth'(Lane / HLanes);
      logic        [ActBits-1:0]      x_mem [0:XWords-1];
      logic        [ActBits-1:0]      h_mem [0:HWords-1];
      logic        [BaseWidth-1:0]    address_q;
      logic signed [ActBits-1:0]      x_read_q, h_read_q, x_q;

      /* verilator lint_off BLKSEQ */
      always_ff @(posedge clk_i) begin
        if (enable_i[2] && !h_read_i) x_read_q <= x_mem[address_q[XWidth-1:0]];
        if (xw_valid_i) begin
          if (xw_slice_i == Beat) x_mem[xw_word_i] = xw_data_i[ActBits*(4*Part+l) +: ActBits];
        end
      end
      always_ff @(posedge clk_i) begin
        if (enable_i[2] && h_read_i) h_read_q <= h_mem[address_q[HWidth-1:0]];
        if (hw_valid_i) begin
          if (hw_slice_i == Slice && hw_mask_i[Lane%HLanes]) h_mem[hw_word_i] = hw_data_i[ActBits*(Lane%HLanes) +: ActBits];
        end
      end
      /* verilator lint_on BLKSEQ */

      always_ff @(posedge clk_i) begin
        if (enable_i[1]) address_q <= base_i + BaseWidth'(index_q[IndexBits*l +: IndexBits]);
        if (enable_i[3]) x_q <= !h_use_i ? x_read_q : h_zero_i ? {ActBits{1'b0}} : h_read_q;
      end

      if (ActBits == 16) begin : gen_single
        for (genvar r = 0; r < Rows; r++) begin : gen_row
          logic signed [WeightBits-1:0]  weight_op_q;
          logic signed [ProductBits-1:0] product_q;
          always_ff @(posedge clk_i) begin
            if (enable_i[3]) weight_op_q <= gen_weights[r].weight_q[WeightBits*l +: WeightBits];
            if (enable_i[4]) product_q   <= x_q * weight_op_q;
          end
        end
      end else begin : gen_packed
        for (genvar r = 0; r < Rows; r += 2) begin : gen_row
          logic signed [WeightBits-1:0]     low_q, high_q;
          logic signed [26:0]               both;
          logic signed [26+ActBits:0]       product_q;
          assign both = {high_q, {HighAt{1'b0}}} + {{(27-WeightBits){low_q[WeightBits-1]}}, low_q};
          always_ff @(posedge clk_i) begin
            if (enable_i[3]) begin
              low_q  <= gen_weights[r].weight_q[WeightBits*l +: WeightBits];
              high_q <= gen_weights[r+1].weight_q[WeightBits*l +: WeightBits];
            end
            if (enable_i[4]) product_q <= x_q * both;
          end
        end
      end
    end
  end

`ifndef SYNTHESIS
  logic [Rows-1:0] overflow_q;
`endif
  for (genvar r = 0; r < Rows; r++) begin : gen_row
    for (genvar v = 0; v <= Levels; v++) begin : gen_level
      for (genvar n = 0; n < (Lanes >> v); n++) begin : gen_node
        logic signed [ProductBits+v-1:0] sum;
        if (v == 0 && ActBits == 16) begin : gen_leaf
          assign sum = gen_quad[n/4].gen_lane[n%4].gen_single.gen_row[r].product_q;
        end else if (v == 0 && r % 2 == 0) begin : gen_low
          localparam int unsigned Low = ProductBits < HighAt ? ProductBits : HighAt;
          assign sum = {{(ProductBits-Low){gen_quad[n/4].gen_lane[n%4].gen_packed.gen_row[r].product_q[Low-1]}},
                        gen_quad[n/4].gen_lane[n%4].gen_packed.gen_row[r].product_q[Low-1:0]};
        end else if (v == 0) begin : gen_high
          // A negative low product has borrowed one.
          assign sum = gen_quad[n/4].gen_lane[n%4].gen_packed.gen_row[r-1].product_q[HighAt +: ProductBits]
                     + ProductBits'(gen_quad[n/4].gen_lane[n%4].gen_packed.gen_row[r-1].product_q[HighAt-1]);
        end else begin : gen_add
          always_ff @(posedge clk_i) begin
            if (enable_i[4+v]) sum <= gen_level[v-1].gen_node[2*n].sum + gen_level[v-1].gen_node[2*n+1].sum;
          end
        end
      end
    end

    logic signed [TreeBits-1:0] tree;
    logic signed [AccBits-1:0]  acc_q, start;
    logic        [AccBits-1:0]  psum_mem [0:PsumWords-1];
    logic signed [AccBits-1:0]  psum_q;

    assign tree = gen_level[Levels].gen_node[0].sum;
    assign sums_o[AccBits*r +: AccBits] = acc_q;

    /* verilator lint_off BLKSEQ */
    always_ff @(posedge clk_i) begin
      if (enable_i[Stages-2] && psum_read_i) psum_q <= psum_mem[psum_read_word_i];
      if (psum_write_i)                      psum_mem[psum_write_word_i] = acc_q;
    end
    /* verilator lint_on BLKSEQ */

    assign start = !first_i ? acc_q : from_psum_i ? psum_q : {AccBits{1'b0}};
    always_ff @(posedge clk_i) begin
      if (enable_i[Stages-1]) acc_q <= start + AccBits'(tree);
    end

`ifndef SYNTHESIS
    // Positions of a row are few enough that a sum never leaves the accumulator. The array
    // asserts it: a message with the instance's name in here would make the PEs differ.
    logic signed [AccBits-1:0] next;
    assign next = start + AccBits'(tree);
    initial overflow_q[r] = 1'b0;
    always_ff @(posedge clk_i) begin
      if (enable_i[Stages-1])
        overflow_q[r] <= start[AccBits-1] == tree[TreeBits-1] && next[AccBits-1] != start[AccBits-1];
    end
`endif
  end

`ifndef SYNTHESIS
  initial assert (Lanes >= 4 && (Lanes & (Lanes - 1)) == 0)
    else $fatal(1, "Lanes must be a power of two, 4 or more");
  initial assert (BeatLanes >= 4 && BeatLanes <= Lanes && HLanes <= Lanes)
    else $fatal(1, "a write has 4 lanes or more, and not more than a word");
  initial assert (Rows == 1 || Rows == 4) else $fatal(1, "Rows must be 1 or 4");
  initial assert (ActBits == 16 || Rows == 4 && WeightBits == 8 && ActBits >= 10 && ActBits <= 12)
    else $fatal(1, "ActBits must be 16, or 10 to 12 with shared indices and 8-bit weights");
  initial assert (AccBits > TreeBits) else $fatal(1, "AccBits must hold the sum of a position");
`endif

endmodule
