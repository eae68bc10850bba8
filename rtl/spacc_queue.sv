/// Rows that one PE has still to compute in a masked RUN, and the addresses of its positions.
///
/// A row waits with the word of its first weight, the first word of its vector, the index of
/// its group's results and the step (modulo 16) that it belongs to. All PEs take their next row
/// with the same `pop_i`; one whose queue is empty computes nothing that anybody uses. In other
/// RUNs the addresses are those that all PEs share.
///
/// What leaves the array is told apart by the row: `keep_i` puts the row under way into a short
/// ring at `keep_at_i`, `row_*_o` show what stands at `row_at_i`.
///
/// Nothing here depends on which PE this is, so that Verilator makes one function for all.
module spacc_queue #(
  parameter  int unsigned Depth      = 16, // rows, a power of two
  parameter  int unsigned WordWidth  = 13,
  parameter  int unsigned XWidth     = 9,
  parameter  int unsigned BaseWidth  = 9,  // XWidth or more
  parameter  int unsigned IndexWidth = 11,
  localparam int unsigned PtrWidth   = $clog2(Depth)
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,        // synchronous, active low: also a flush
  // a row
  input  logic                  push_i,        // not when full
  input  logic [WordWidth-1:0]  push_word_i,
  input  logic [XWidth-1:0]     push_base_i,
  input  logic [IndexWidth-1:0] push_index_i,
  input  logic [3:0]            push_step_i,
  output logic                  full_o,
  output logic                  empty_o,
  output logic [3:0]            step_o,        // of the next row, unless empty
  output logic                  now_o,         // a row is under way
  output logic [3:0]            now_step_o,
  // positions, as they are issued
  input  logic                  masked_i,      // constant during a RUN
  input  logic                  issue_i,
  input  logic                  pop_i,         // masked: the first one of a row
  input  logic                  keep_i,        // masked: the last one of a row
  input  logic [3:0]            keep_at_i,
  input  logic [WordWidth-1:0]  issue_word_i,  // of other RUNs
  input  logic [BaseWidth-1:0]  issue_base_i,
  input  logic [1:0]            enable_i,      // stages 0 and 1 of the array move
  output logic [WordWidth-1:0]  index_word_o,  // with stage 0
  output logic [BaseWidth-1:0]  base_o,        // with stage 1
  output logic [WordWidth-1:0]  weight_word_o, // with stage 2
  // rows that leave the array
  input  logic [3:0]            row_at_i,
  output logic                  row_used_o,
  output logic [IndexWidth-1:0] row_index_o
);
  /* verilator no_inline_module */

  localparam int unsigned RowBits = 4 + IndexWidth + XWidth + WordWidth;

  logic [RowBits-1:0]    memory [0:Depth-1];
  logic [RowBits-1:0]    head;
  logic [PtrWidth-1:0]   write_q, read_q;
  logic [PtrWidth:0]     level_q;
  logic                  take;
  logic [WordWidth-1:0]  head_word;
  logic [XWidth-1:0]     head_base;
  logic [IndexWidth-1:0] head_index, now_index_q;

  assign head = memory[read_q];
  assign {step_o, head_index, head_base, head_word} = head;
  assign empty_o = level_q == '0;
  assign full_o  = level_q[PtrWidth];
  assign take    = pop_i && !empty_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= '0;
      read_q  <= '0;
      level_q <= '0;
    end else begin
      if (push_i) write_q <= write_q + 1'b1;
      if (take)   read_q  <= read_q + 1'b1;
      if (push_i && !take)      level_q <= level_q + 1'b1;
      else if (take && !push_i) level_q <= level_q - 1'b1;
    end
    if (push_i) memory[write_q] <= {push_step_i, push_index_i, push_base_i, push_word_i};
  end

  // The row under way.
  always_ff @(posedge clk_i) begin
    if (!rst_ni)     now_o <= 1'b0;
    else if (keep_i) now_o <= 1'b0;
    else if (pop_i)  now_o <= take;
    if (pop_i) begin
      now_step_o  <= step_o;
      now_index_q <= head_index;
    end
  end

  logic [WordWidth-1:0] word_q, word_wait_q;
  logic [BaseWidth-1:0] base_wait_q;
  assign index_word_o = word_q;
  always_ff @(posedge clk_i) begin
    if (issue_i) begin
      word_q <= !masked_i ? issue_word_i : pop_i ? head_word : word_q + 1'b1;
      if (!masked_i)  base_wait_q <= issue_base_i;
      else if (pop_i) base_wait_q <= BaseWidth'(head_base);
    end
    if (enable_i[0]) begin
      word_wait_q <= word_q;
      base_o      <= base_wait_q;
    end
    if (enable_i[1]) weight_word_o <= word_wait_q;
  end

  // Rows on their way through the array: fewer than 16.
  logic [IndexWidth:0] kept [0:15];
  always_ff @(posedge clk_i) begin
    if (keep_i) kept[keep_at_i] <= pop_i ? {take, head_index} : {now_o, now_index_q};
  end
  assign {row_used_o, row_index_o} = kept[row_at_i];

endmodule
