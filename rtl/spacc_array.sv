/// The PEs in lock step, and the serialiser that gives a group's sums out 4 * Cells rows a
/// cycle.
///
/// `issue_*` enters one position of a row group a cycle; there is no stall, and cycles
/// without a position may come anywhere. A part of a group ends with `issue_last_i` (its sums
/// leave) or with `issue_store_i` (they are kept as partial sums). The first rows of a group
/// (PEs 0..) appear Levels + 8 cycles after its last position was on `issue_*`, then the
/// next ones `gap_i` cycles after that. Groups must end at least as
/// many cycles apart as their rows take to leave. A partial sum may be taken up by a position
/// that is issued 3 cycles or more after the one that stored it. `flush_i` forgets
/// everything under way.
module spacc_array #(
  parameter  int unsigned Pes         = 16, // multiple of 4 * Cells
  parameter  int unsigned Lanes       = 16,
  parameter  int unsigned Cells       = 1,
  parameter  int unsigned BeatLanes   = 4,
  parameter  int unsigned HLanes      = 4,
  parameter  int unsigned SharedRows  = 1,  // 4: the rows of a quad share indices; spacc_pe
  parameter  int unsigned WeightBits  = 16,
  parameter  int unsigned ActBits     = 16, // to which x and h are rounded
  parameter  int unsigned IndexBits   = 8,
  parameter  int unsigned WeightWords = 8192,
  parameter  int unsigned XWords      = 512,
  parameter  int unsigned HWords      = 512,
  parameter  int unsigned PsumWords   = 64,
  parameter  int unsigned AccBits     = 48,
  parameter  int unsigned Queue       = 0,  // rows that a PE queues; 0: no masked RUNs
  parameter  int unsigned IndexWidth  = 11, // of results of a pass
  localparam int unsigned WordWidth   = $clog2(WeightWords),
  localparam int unsigned XWidth      = $clog2(XWords),
  localparam int unsigned HWidth      = $clog2(HWords),
  localparam int unsigned BaseWidth   = XWidth > HWidth ? XWidth : HWidth,
  localparam int unsigned PsumWidth   = $clog2(PsumWords),
  localparam int unsigned BeatWidth   = Lanes > BeatLanes ? $clog2(Lanes / BeatLanes) : 1,
  localparam int unsigned SliceWidth  = Lanes > HLanes ? $clog2(Lanes / HLanes) : 1
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,       // synchronous, active low
  input  logic                            flush_i,
  // weight write: BeatLanes lanes of a word of PE ww_pe_i
  input  logic                            ww_valid_i,
  input  logic [15:0]                     ww_pe_i,
  input  logic [WordWidth-1:0]            ww_word_i,
  input  logic [BeatWidth-1:0]            ww_slice_i,
  input  logic [BeatLanes*WeightBits-1:0] ww_weight_i,
  input  logic [BeatLanes*IndexBits-1:0]  ww_index_i,
  // vector writes to every PE
  input  logic                            xw_valid_i,
  input  logic [XWidth-1:0]               xw_word_i,
  input  logic [BeatWidth-1:0]            xw_slice_i,
  input  logic [BeatLanes*16-1:0]         xw_data_i,
  input  logic                            hw_valid_i,
  input  logic [HWidth-1:0]               hw_word_i,
  input  logic [SliceWidth-1:0]           hw_slice_i,
  input  logic [HLanes-1:0]               hw_mask_i,
  input  logic [HLanes*16-1:0]            hw_data_i,
  // positions
  input  logic                            issue_valid_i,
  input  logic                            issue_first_i,     // of a part that starts from 0 or a partial sum
  input  logic                            issue_from_psum_i, // with first: from psum_word
  input  logic                            issue_store_i,     // last; keep in psum_word
  input  logic                            issue_last_i,      // last; give out
  input  logic                            issue_h_i,         // h memory, not x
  input  logic                            issue_zero_i,      // h is 0
  input  logic [PsumWidth-1:0]            issue_psum_word_i,
  input  logic [WordWidth-1:0]            issue_word_i,
  input  logic [BaseWidth-1:0]            issue_base_i,      // vector word of index 0
  // rows of a masked RUN; spacc_queue
  input  logic                            masked_i,
  input  logic                            issue_pop_i,
  input  logic [Pes-1:0]                  push_i,
  input  logic [WordWidth-1:0]            push_word_i,
  input  logic [XWidth-1:0]               push_base_i,
  input  logic [IndexWidth-1:0]           push_index_i,
  input  logic [3:0]                      push_step_i,
  output logic [Pes-1:0]                  full_o,
  output logic [Pes-1:0]                  empty_o,
  output logic [4*Pes-1:0]                next_step_o,
  output logic [Pes-1:0]                  now_o,
  output logic [4*Pes-1:0]                now_step_o,
  // sums of 4 * Cells rows, PE 0 lowest
  input  logic [4:0]                      gap_i,             // idle cycles between rows; constant while groups leave
  output logic                            rows_valid_o,
  output logic [4*Cells*AccBits-1:0]      rows_sums_o,
  output logic [4*Cells-1:0]              rows_used_o,       // masked: the row was to be computed
  output logic [4*Cells*IndexWidth-1:0]   rows_index_o       // masked: of its group's first results
);

  localparam int unsigned Stages    = $clog2(Lanes) + 6;
  localparam int unsigned Moves     = Pes / (4 * Cells);
  localparam int unsigned LeftWidth = $clog2(Moves + 1);

  // Bit s: stage s moves in this cycle; bit Stages: a sum stands in the accumulators.
  logic [Stages:0]               valid_q, last_q, store_q;
  logic [Stages-1:0]             first_q, from_psum_q;
  logic [3:0]                    h_q, zero_q;
  logic [(Stages+1)*PsumWidth-1:0] psum_q;
  logic [WordWidth-1:0]          word_q, weight_word_q, word_wait_q;
  logic [BaseWidth-1:0]          base_q, base_wait_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) valid_q <= '0;
    else                    valid_q <= {valid_q[Stages-1:0], issue_valid_i};
    first_q     <= {first_q[Stages-2:0], issue_first_i};
    from_psum_q <= {from_psum_q[Stages-2:0], issue_from_psum_i && issue_first_i};
    last_q      <= {last_q[Stages-1:0], issue_last_i};
    store_q     <= {store_q[Stages-1:0], issue_store_i};
    h_q         <= {h_q[2:0], issue_h_i};
    zero_q      <= {zero_q[2:0], issue_zero_i};
    psum_q      <= {psum_q[Stages*PsumWidth-1:0], issue_psum_word_i};
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

  // Serialiser: a row of registers, one a PE, that moves down 4 * Cells at a time.
  logic                 capture, shift;
  logic [LeftWidth-1:0] left_q;
  logic [4:0]           gap_q;

  assign capture      = valid_q[Stages] && last_q[Stages];
  assign shift        = left_q != '0 && gap_q == '0;
  assign rows_valid_o = shift;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) left_q <= '0;
    else if (capture)       left_q <= LeftWidth'(Moves);
    else if (shift)         left_q <= left_q - 1'b1;
    if (!rst_ni || flush_i || capture) gap_q <= '0;
    else if (shift)                    gap_q <= gap_i;
    else if (gap_q != '0)              gap_q <= gap_q - 1'b1;
  end

  // The PEs compare ww_pe_i first and write in the next cycle.
  logic [WordWidth-1:0]            ww_word_q;
  logic [BeatWidth-1:0]            ww_slice_q;
  logic [BeatLanes*WeightBits-1:0] ww_weight_q;
  logic [BeatLanes*IndexBits-1:0]  ww_index_q;
  always_ff @(posedge clk_i) begin
    if (ww_valid_i) begin
      ww_word_q   <= ww_word_i;
      ww_slice_q  <= ww_slice_i;
      ww_weight_q <= ww_weight_i;
      ww_index_q  <= ww_index_i;
    end
  end

  // Rows of a masked RUN on their way through the array.
  logic       keep;
  logic [3:0] keep_at_q, row_at_q;
  assign keep = issue_valid_i && issue_last_i && masked_i;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      keep_at_q <= 4'd0;
      row_at_q  <= 4'd0;
    end else begin
      if (keep)                keep_at_q <= keep_at_q + 4'd1;
      if (capture && masked_i) row_at_q  <= row_at_q + 4'd1;
    end
  end

  if (Queue == 0) begin : gen_unmasked
    assign {full_o, empty_o, next_step_o, now_o, now_step_o} = '0;
    logic unused_rows;
    assign unused_rows = ^{issue_pop_i, push_i, push_word_i, push_base_i, push_index_i, push_step_i, row_at_q};
  end else begin : gen_masked
    logic unused_shared;
    assign unused_shared = ^{weight_word_q, base_q};
  end

  logic psum_write;
  assign psum_write = valid_q[Stages] && store_q[Stages];

  logic [BeatLanes*ActBits-1:0] xw_data;
  logic [HLanes*ActBits-1:0]    hw_data;
  spacc_round #(.Count(BeatLanes), .Bits(ActBits)) u_round_x (.data_i(xw_data_i), .data_o(xw_data));
  spacc_round #(.Count(HLanes), .Bits(ActBits)) u_round_h (.data_i(hw_data_i), .data_o(hw_data));

  for (genvar p = 0; p < Pes / SharedRows; p++) begin : gen_pe
    logic [SharedRows*AccBits-1:0] sums;
    logic [WordWidth-1:0]          index_word, weight_word;
    logic [BaseWidth-1:0]          base;

    if (Queue > 0) begin : gen_queue
      logic                  row_used;
      logic [IndexWidth-1:0] row_index;
      spacc_queue #(
        .Depth(Queue), .WordWidth(WordWidth), .XWidth(XWidth), .BaseWidth(BaseWidth), .IndexWidth(IndexWidth)
      ) u_queue (
        .clk_i(clk_i), .rst_ni(rst_ni && !flush_i),
        .push_i(push_i[p]), .push_word_i(push_word_i), .push_base_i(push_base_i), .push_index_i(push_index_i),
        .push_step_i(push_step_i), .full_o(full_o[p]), .empty_o(empty_o[p]), .step_o(next_step_o[4*p +: 4]),
        .now_o(now_o[p]), .now_step_o(now_step_o[4*p +: 4]),
        .masked_i(masked_i), .issue_i(issue_valid_i), .pop_i(issue_pop_i), .keep_i(keep), .keep_at_i(keep_at_q),
        .issue_word_i(issue_word_i), .issue_base_i(issue_base_i), .enable_i(valid_q[1:0]),
        .index_word_o(index_word), .base_o(base), .weight_word_o(weight_word),
        .row_at_i(row_at_q), .row_used_o(row_used), .row_index_o(row_index)
      );
    end else begin : gen_shared
      assign {index_word, weight_word, base} = {word_q, weight_word_q, base_q};
    end

    spacc_pe #(
      .Lanes(Lanes), .BeatLanes(BeatLanes), .HLanes(HLanes), .Rows(SharedRows), .WeightBits(WeightBits),
      .ActBits(ActBits), .IndexBits(IndexBits),
      .WeightWords(WeightWords), .XWords(XWords), .HWords(HWords), .PsumWords(PsumWords), .AccBits(AccBits)
    ) u_pe (
      .clk_i(clk_i),
      .id_i(p[15:0]),
      .ww_valid_i(ww_valid_i),
      .ww_pe_i(ww_pe_i),
      .ww_word_i(ww_word_q),
      .ww_slice_i(ww_slice_q),
      .ww_weight_i(ww_weight_q),
      .ww_index_i(ww_index_q),
      .xw_valid_i(xw_valid_i),
      .xw_word_i(xw_word_i),
      .xw_slice_i(xw_slice_i),
      .xw_data_i(xw_data),
      .hw_valid_i(hw_valid_i),
      .hw_word_i(hw_word_i),
      .hw_slice_i(hw_slice_i),
      .hw_mask_i(hw_mask_i),
      .hw_data_i(hw_data),
      .enable_i(valid_q[Stages-1:0]),
      .index_word_i(index_word),
      .base_i(base),
      .weight_word_i(weight_word),
      .h_read_i(h_q[2]),
      .h_use_i(h_q[3]),
      .h_zero_i(zero_q[3]),
      .psum_read_i(from_psum_q[Stages-2]),
      .psum_read_word_i(psum_q[(Stages-2)*PsumWidth +: PsumWidth]),
      .first_i(first_q[Stages-1]),
      .from_psum_i(from_psum_q[Stages-1]),
      .psum_write_i(psum_write),
      .psum_write_word_i(psum_q[Stages*PsumWidth +: PsumWidth]),
      .sums_o(sums)
    );

`ifndef SYNTHESIS
    always_ff @(posedge clk_i) begin
      if (rst_ni && valid_q[Stages]) SumFits: assert (u_pe.overflow_q == '0) else $error("accumulator overflow");
    end
`endif
  end

  for (genvar p = 0; p < Pes; p++) begin : gen_row
    logic signed [AccBits-1:0] sum, sum_q;
    assign sum = gen_pe[p/SharedRows].sums[AccBits*(p%SharedRows) +: AccBits];
    if (p + 4 * Cells < Pes) begin : gen_move
      always_ff @(posedge clk_i) begin
        if (capture)    sum_q <= sum;
        else if (shift) sum_q <= gen_row[p+4*Cells].sum_q;
      end
    end else begin : gen_end
      always_ff @(posedge clk_i) if (capture) sum_q <= sum;
    end
    if (p < 4 * Cells) begin : gen_out
      assign rows_sums_o[AccBits*p +: AccBits] = sum_q;
    end
    if (Queue > 0) begin : gen_which
      logic [IndexWidth:0] which_q;   // {used, index}
      always_ff @(posedge clk_i) begin
        if (capture)    which_q <= {gen_pe[p].gen_queue.row_used, gen_pe[p].gen_queue.row_index};
        else if (shift) which_q <= gen_row[p+4*Cells < Pes ? p+4*Cells : p].gen_which.which_q;
      end
      if (p < 4 * Cells) begin : gen_out
        assign {rows_used_o[p], rows_index_o[IndexWidth*p +: IndexWidth]} = which_q;
      end
    end else if (p < 4 * Cells) begin : gen_all
      assign {rows_used_o[p], rows_index_o[IndexWidth*p +: IndexWidth]} = '0;
    end
  end

`ifndef SYNTHESIS
  initial assert (Pes % (4 * Cells) == 0) else $fatal(1, "Pes must be a multiple of 4 * Cells");
  initial assert (Queue == 0 || (SharedRows == 1 && (1 << XWidth) == XWords && Stages < 15))
    else $fatal(1, "masked RUNs need indices of their own a PE, and a power of two of words of x");

  // A new group may replace the last rows in the cycle in which those leave.
  always_ff @(posedge clk_i) begin
    if (rst_ni && capture)
      Apart: assert (left_q == '0 || (left_q == LeftWidth'(1) && shift))
          else $error("groups end closer together than their rows leave");
  end
`endif

endmodule
