/// Which result is this? Follows the results of a RUN, 4 * Cells rows each, in the order in
/// which they leave the array: cycle of the group, sequence, group, pass, step.
module spacc_walk #(
  parameter int unsigned Moves      = 4,    // results a group
  parameter int unsigned IndexWidth = 12,
  parameter int unsigned OffsetWidth = 12
) (
  input  logic                   clk_i,
  input  logic                   start_i,       // of a RUN
  input  logic                   advance_i,     // a result goes
  input  logic                   two_pass_i,
  input  logic                   pass_b_i,
  input  logic [15:0]            groups_i,      // of the pass
  input  logic [7:0]             batch_i,
  input  logic [OffsetWidth-1:0] stride_i,      // from one sequence to the next
  // of the result that is there
  output logic [IndexWidth-1:0]  index_o,       // in the pass
  output logic [OffsetWidth-1:0] offset_o,      // sequence * stride
  output logic                   last_o,        // of the pass
  output logic                   first_step_o,
  output logic                   odd_o          // step 1, 3, ..
);

  localparam int unsigned MoveWidth = Moves > 1 ? $clog2(Moves) : 1;

  logic [MoveWidth-1:0]   move_q;
  logic [7:0]             batch_q;
  logic [15:0]            group_q;
  logic [IndexWidth-1:0]  first_q;     // index of the group's first result
  logic [OffsetWidth-1:0] offset_q;
  logic                   first_step_q, odd_q, move_end, batch_end;

  assign move_end  = move_q == MoveWidth'(Moves - 1);
  assign batch_end = move_end && batch_q == batch_i - 8'd1;
  assign last_o    = batch_end && group_q == groups_i - 16'd1;
  assign index_o   = first_q + IndexWidth'(move_q);
  assign offset_o  = offset_q;
  assign first_step_o = first_step_q;
  assign odd_o        = odd_q;

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      move_q       <= '0;
      batch_q      <= 8'd0;
      group_q      <= 16'd0;
      first_q      <= '0;
      offset_q     <= '0;
      first_step_q <= 1'b1;
      odd_q        <= 1'b0;
    end else if (advance_i) begin
      move_q <= move_end ? '0 : move_q + 1'b1;
      if (move_end) begin
        batch_q  <= batch_q + 8'd1;
        offset_q <= offset_q + stride_i;
      end
      if (batch_end) begin
        batch_q  <= 8'd0;
        offset_q <= '0;
        group_q  <= group_q + 16'd1;
        first_q  <= first_q + IndexWidth'(Moves);
      end
      if (last_o) begin
        group_q <= 16'd0;
        first_q <= '0;
      end
      if (last_o && pass_b_i == two_pass_i) begin
        first_step_q <= 1'b0;
        odd_q        <= !odd_q;
      end
    end
  end

endmodule
