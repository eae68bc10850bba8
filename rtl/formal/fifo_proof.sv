/// Proof of spacc_fifo: one word, picked freely among all that go in, is followed until
/// it comes out. As any word may be the one, none is lost, doubled or overtaken.
module fifo_proof #(
  parameter int unsigned Depth = 4 // 2 .. 8
) (
  input logic       clk_i,
  input logic       rst_ni,
  input logic       in_valid_i,
  input logic [7:0] in_data_i,
  input logic       out_ready_i,
  input logic       pick_i // follow the word that goes in now
);

  localparam int unsigned LevelWidth = $clog2(Depth + 1);

  logic                  in_ready, out_valid, put, take;
  logic [7:0]            out_data;
  logic [LevelWidth-1:0] level;

  spacc_fifo #(.Width(8), .Depth(Depth)) i_dut (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o (in_ready), .in_data_i,
    .out_valid_o (out_valid), .out_ready_i, .out_data_o (out_data), .level_o (level)
  );

  assign put  = in_valid_i && in_ready;
  assign take = out_valid && out_ready_i;

  // What went in and did not come out; and the word that is followed: how many are before
  // it and what it must be.
  logic [3:0] held_q, ahead_q;
  logic       follow_q;
  logic [7:0] data_q;

  always_ff @(posedge clk_i) begin
    held_q <= held_q + 4'(put) - 4'(take);
    if (put && pick_i && !follow_q) begin
      follow_q <= 1'b1;
      ahead_q  <= held_q - 4'(take);
      data_q   <= in_data_i;
    end else if (follow_q && take) begin
      ahead_q  <= ahead_q - 4'd1;
      if (ahead_q == 4'd0) follow_q <= 1'b0;
    end
    if (!rst_ni) {held_q, follow_q} <= '0;
  end

  // The cycle before
  logic                  past_q, past_hold_q, past_take_q;
  logic [7:0]            past_data_q;
  logic [LevelWidth-1:0] past_level_q;
  initial past_q = 1'b0;
  initial assume (!rst_ni);

  always_ff @(posedge clk_i) begin
    past_q       <= rst_ni;
    past_hold_q  <= out_valid && !out_ready_i;
    past_take_q  <= take;
    past_data_q  <= out_data;
    past_level_q <= level;
  end

  always @* if (rst_ni && past_q) begin
    // order and value, no word lost, none twice
    if (follow_q) assert (ahead_q < held_q);
    if (follow_q && ahead_q == 4'd0 && out_valid) assert (out_data == data_q);
    if (out_valid) assert (held_q != 4'd0);
    // level, full, empty
    assert (level == LevelWidth'(held_q) && held_q <= 4'(Depth));
    assert (in_ready == (held_q != 4'(Depth)));
    // first word falls through: two cycles after it went in, not before, and no gap after
    assert (out_valid == (past_level_q != LevelWidth'(past_take_q)));
    // the word waits unchanged
    if (past_hold_q) assert (out_valid && out_data == past_data_q);
  end

  always @* if (rst_ni && past_q) begin
    cover (held_q == 4'(Depth) && take && in_valid_i);
    cover (follow_q && ahead_q == 4'(Depth - 1));
    cover (follow_q && ahead_q == 4'd0 && take && put && held_q == 4'(Depth - 1));
    cover (past_take_q && !out_valid && held_q == 4'd1);
  end

  // For induction: where the words are inside. Names of the flattened block.
  (* hierconn *) logic [$clog2(Depth)-1:0] \i_dut.read_q , \i_dut.write_q ;
  (* hierconn *) logic [7:0] \i_dut.memory[0] , \i_dut.memory[1] , \i_dut.memory[2] ,
      \i_dut.memory[3] , \i_dut.memory[4] , \i_dut.memory[5] , \i_dut.memory[6] ,
      \i_dut.memory[7] ;
  logic [63:0]     memory;
  logic [4:0]      next_in, followed;
  logic [2:0]      place;
  assign memory = {\i_dut.memory[7] , \i_dut.memory[6] , \i_dut.memory[5] , \i_dut.memory[4] ,
      \i_dut.memory[3] , \i_dut.memory[2] , \i_dut.memory[1] , \i_dut.memory[0] };

  // Places in the memory, before they wrap: of the next word in, of the followed word.
  assign next_in  = 5'(\i_dut.read_q ) + {1'b0, held_q} - 5'(out_valid);
  assign followed = 5'(\i_dut.read_q ) + {1'b0, ahead_q} - 5'(out_valid);
  assign place    = followed >= 5'(Depth) ? 3'(followed - 5'(Depth)) : followed[2:0];

  always @* if (rst_ni && past_q) begin
    assert (4'(\i_dut.read_q ) < 4'(Depth) && 4'(\i_dut.write_q ) < 4'(Depth));
    assert (5'(\i_dut.write_q ) == (next_in >= 5'(Depth) ? next_in - 5'(Depth) : next_in));
    if (follow_q && (ahead_q != 4'd0 || !out_valid)) assert (memory[8 * place +: 8] == data_q);
  end

endmodule
