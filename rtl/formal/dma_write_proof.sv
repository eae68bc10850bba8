/// Proof of spacc_dma_write. Bursts are noted as they appear on AW, cut from the command as
/// the AXI rules ask for, and only when their words are there; W sends them in order, one
/// word, picked freely among all that come in, is followed until it is on W; memory answers
/// in order, whenever it likes.
///
/// Assumed: commands of 1 word or more, aligned, held until taken; B only for bursts whose
/// last word was sent and whose address was accepted; abort held until idle.
module dma_write_proof #(
  parameter  int unsigned DataBits    = 32,
  parameter  int unsigned MaxBurst    = 4, // 2 or 4: the queue has 4 or 8 words
  parameter  int unsigned Outstanding = 2, // 2 or 4
  localparam int unsigned SizeBits    = $clog2(DataBits / 8),
  localparam int unsigned WordWidth   = 64 - SizeBits
) (
  input logic                 clk_i,
  input logic                 rst_ni,
  input logic                 cmd_valid_i,
  input logic [WordWidth-1:0] cmd_word_i, // address in words
  input logic [31:0]          cmd_beats_i,
  input logic                 in_valid_i,
  input logic [DataBits-1:0]  in_data_i,
  input logic                 abort_i,
  input logic                 awready_i,
  input logic                 wready_i,
  input logic                 bvalid_i,
  input logic [1:0]           bresp_i,
  input logic                 pick_i      // follow the word that comes in now
);

  localparam int unsigned LineWords = 4096 / (DataBits / 8);
  localparam int unsigned Depth     = 2 * MaxBurst;
  localparam int unsigned PtrWidth  = $clog2(Outstanding);

  logic                  cmd_ready, in_ready, idle, done, error, beat;
  logic                  awvalid, wvalid, wlast, bready;
  logic [63:0]           error_address, awaddr;
  logic [7:0]            awlen;
  logic [2:0]            awsize;
  logic [1:0]            awburst;
  logic [DataBits-1:0]   wdata;
  logic [DataBits/8-1:0] wstrb;

  spacc_dma_write #(.DataBits(DataBits), .MaxBurst(MaxBurst), .Outstanding(Outstanding)) i_dut (
    .clk_i, .rst_ni, .cmd_valid_i, .cmd_ready_o (cmd_ready),
    .cmd_address_i ({cmd_word_i, {SizeBits{1'b0}}}), .cmd_beats_i,
    .in_valid_i, .in_ready_o (in_ready), .in_data_i,
    .idle_o (idle), .done_o (done), .error_o (error), .error_address_o (error_address),
    .beat_o (beat), .abort_i,
    .m_awvalid_o (awvalid), .m_awready_i (awready_i), .m_awaddr_o (awaddr), .m_awlen_o (awlen),
    .m_awsize_o (awsize), .m_awburst_o (awburst), .m_wvalid_o (wvalid), .m_wready_i (wready_i),
    .m_wdata_o (wdata), .m_wstrb_o (wstrb), .m_wlast_o (wlast), .m_bvalid_i (bvalid_i),
    .m_bready_o (bready), .m_bresp_i (bresp_i)
  );

  initial assume (!rst_ni);

  // --------------------------------------------------- commands, and what they ask for
  logic                 aw_wait_q, fresh; // fresh: a burst shows for the first time
  logic [8:0]           words, expect_words; // of the burst on AW; of the next one
  logic [31:0]          left_q, left;     // words in no burst, without and with `fresh`
  logic [WordWidth-1:0] next_q, next;     // the next of them
  logic [WordWidth-1:0] aw_word;
  logic [31:0]          to_line;
  logic                 taken;

  assign fresh   = awvalid && !aw_wait_q;
  assign words   = {1'b0, awlen} + 9'd1;
  assign aw_word = awaddr[63:SizeBits];
  assign left    = left_q - (fresh ? 32'(words) : 32'd0);
  assign next    = next_q + (fresh ? WordWidth'(words) : {WordWidth{1'b0}});
  assign taken   = cmd_valid_i && cmd_ready;
  assign to_line = LineWords - 32'(next[11-SizeBits:0]);

  always @* begin
    expect_words = 9'(MaxBurst);
    if (to_line < MaxBurst) expect_words = to_line[8:0];
    if (left < 32'(expect_words)) expect_words = left[8:0];
  end

  always_ff @(posedge clk_i) begin
    aw_wait_q <= rst_ni && awvalid && !awready_i;
    left_q    <= taken ? cmd_beats_i : left;
    next_q    <= taken ? cmd_word_i : next;
    if (abort_i || !rst_ni) left_q <= 32'd0;
  end

  // ------------------------- bursts not answered, a ring as in the block; W is somewhere in it
  logic [PtrWidth-1:0] in_q, w_q, out_q;
  logic [3:0]          count_q, count;     // not answered, without and with `fresh`
  logic [3:0]          to_send_q, to_send; // of these, those whose last word was not sent
  logic [WordWidth*Outstanding-1:0] ring_word_q, ring_word;
  logic [9*Outstanding-1:0]         ring_words_q, ring_words;
  logic [Outstanding-1:0]           ring_last_q, ring_last;
  logic [7:0]                       beat_q;  // of the one that W sends
  logic [WordWidth-1:0]             b_word;  // address of the oldest
  logic                             b_last, w_end, w_move, may_answer, bad_q;

  assign count   = count_q + 4'(fresh);
  assign to_send = to_send_q + 4'(fresh);

  always @* begin
    ring_word  = ring_word_q;
    ring_words = ring_words_q;
    ring_last  = ring_last_q;
    for (int i = 0; i < Outstanding; i++)
      if (fresh && in_q == PtrWidth'(i)) begin
        ring_word[WordWidth*i +: WordWidth] = aw_word;
        ring_words[9*i +: 9] = words;
        ring_last[i] = left == 32'd0;
      end
    b_word = {WordWidth{1'b0}};
    b_last = 1'b0;
    w_end  = 1'b0;
    for (int i = 0; i < Outstanding; i++) begin
      if (out_q == PtrWidth'(i)) begin
        b_word = ring_word[WordWidth*i +: WordWidth];
        b_last = ring_last[i];
      end
      if (w_q == PtrWidth'(i)) w_end = {1'b0, beat_q} + 9'd1 == ring_words[9*i +: 9];
    end
  end

  // Memory may answer a burst in the cycle in which it accepts the address.
  assign may_answer = count_q != to_send_q && count != 4'(awvalid && !awready_i);
  assign w_move     = wvalid && wready_i;

  always_ff @(posedge clk_i) begin
    {ring_word_q, ring_words_q, ring_last_q} <= {ring_word, ring_words, ring_last};
    in_q      <= in_q + PtrWidth'(fresh);
    w_q       <= w_q + PtrWidth'(w_move && w_end);
    out_q     <= out_q + PtrWidth'(bvalid_i);
    count_q   <= count - 4'(bvalid_i);
    to_send_q <= to_send - 4'(w_move && w_end);
    if (w_move) beat_q <= w_end ? 8'd0 : beat_q + 8'd1;
    if (bvalid_i) bad_q <= !b_last && (bad_q || bresp_i != 2'd0);
    if (abort_i) bad_q <= 1'b0;
    if (!rst_ni) {in_q, w_q, out_q, count_q, to_send_q, beat_q, bad_q} <= '0;
  end

  // --------------------------------------------------- words that wait, and one of them
  logic [4:0] held_q, owed_q, owed, stock; // all; of bursts that have begun; the others
  logic       put, follow_q;
  logic [4:0] ahead_q;                     // words to be sent before the followed one
  logic [DataBits-1:0] data_q;

  assign owed  = owed_q + (fresh ? words[4:0] : 5'd0);
  assign stock = held_q - owed;
  assign put   = in_valid_i && in_ready && !abort_i;

  always_ff @(posedge clk_i) begin
    held_q <= held_q + 5'(put) - 5'(w_move);
    owed_q <= owed - 5'(w_move);
    if (put && pick_i && !follow_q) begin
      follow_q <= 1'b1;
      ahead_q  <= held_q - 5'(w_move);
      data_q   <= in_data_i;
    end else if (follow_q && w_move) begin
      ahead_q <= ahead_q - 5'd1;
      if (ahead_q == 5'd0) follow_q <= 1'b0;
    end
    if (abort_i && ahead_q >= owed) follow_q <= 1'b0; // thrown away
    if (abort_i && owed == 5'd0) held_q <= 5'd0;
    if (!rst_ni) {held_q, owed_q, follow_q} <= '0;
  end

  // ------------------------------------------------------------------- the cycle before
  logic                  cmd_wait_q, w_wait_q, abort_q, abort_wait_q, may_ask_q;
  logic [63:0]           awaddr_q;
  logic [7:0]            awlen_q;
  logic [WordWidth+31:0] cmd_q;
  logic [DataBits:0]     w_before_q;

  always_ff @(posedge clk_i) begin
    cmd_wait_q   <= rst_ni && cmd_valid_i && !cmd_ready && !abort_i;
    w_wait_q     <= rst_ni && wvalid && !wready_i;
    abort_q      <= rst_ni && abort_i;
    abort_wait_q <= rst_ni && abort_i && !idle;
    may_ask_q    <= rst_ni && left != 32'd0 && !abort_i && count != 4'(Outstanding) &&
                    (!awvalid || awready_i) && stock >= expect_words[4:0];
    {awaddr_q, awlen_q} <= {awaddr, awlen};
    cmd_q      <= {cmd_word_i, cmd_beats_i};
    w_before_q <= {wlast, wdata};
  end

  // ------------------------------------------------------------------------ assumptions
  always @* if (rst_ni) begin
    if (cmd_valid_i) assume (cmd_beats_i != 32'd0);
    if (cmd_wait_q) assume (cmd_valid_i && {cmd_word_i, cmd_beats_i} == cmd_q);
    if (bvalid_i) assume (may_answer);
    if (abort_wait_q) assume (abort_i);
  end

  // ------------------------------------------------------------------------------ rules
  always @* if (rst_ni) begin
    // AW: held, INCR of whole words, inside the command and a 4 KiB line, none short, as
    // soon as its words are there and not before
    assert (awsize == 3'(SizeBits) && awburst == 2'd1);
    if (aw_wait_q) assert (awvalid && awaddr == awaddr_q && awlen == awlen_q);
    assert (fresh == may_ask_q);
    if (fresh) begin
      assert (32'(words) <= left_q && words <= 9'(MaxBurst));
      assert (awaddr == {next_q, {SizeBits{1'b0}}});
      assert (32'(awaddr[11:SizeBits]) + 32'(awlen) < LineWords);
      assert (32'(words) == left_q || words == 9'(MaxBurst) ||
              32'(aw_word % LineWords) + 32'(words) == LineWords);
      assert (words <= 9'(held_q));
    end
    if (abort_q) assert (!fresh);
    assert (count <= 4'(Outstanding));
    // W: whole words of bursts that have begun, at once, held, the last one marked
    assert (wvalid == (owed != 5'd0) && beat == w_move);
    assert (&wstrb);
    if (wvalid) assert (wlast == w_end);
    if (w_wait_q) assert (wvalid && {wlast, wdata} == w_before_q);
    // commands: the next one is taken when the last burst of this one shows
    assert (cmd_ready == (left == 32'd0 && !abort_i));
    assert (idle == (left == 32'd0 && count == 4'd0));
    // words: taken while there is room, sent unchanged, in order, once; an abort takes all
    assert (in_ready == (held_q != 5'(Depth) || abort_i) && held_q <= 5'(Depth));
    if (follow_q) assert (ahead_q < held_q);
    if (follow_q && ahead_q == 5'd0 && wvalid) assert (wdata == data_q);
    // answers: all taken; done with a command's last, errors once, the first bad burst's address
    assert (bready);
    assert (done == (bvalid_i && b_last && !abort_i));
    assert (error == (bvalid_i && bresp_i != 2'd0 && !bad_q && !abort_i));
    if (error) assert (error_address == {b_word, {SizeBits{1'b0}}});
  end

  // -------------------------------------------- an abort ends while memory goes on answering
  localparam int unsigned Most = Depth + Outstanding + 1;
  logic [7:0] tally_q;
  always_ff @(posedge clk_i) begin
    if (!idle && (!awvalid || awready_i) && (!wvalid || wready_i) && (!may_answer || bvalid_i))
      tally_q <= tally_q + 8'd1;
    if (!abort_i || !rst_ni) tally_q <= 8'd0;
  end
  always @* if (rst_ni && abort_i) begin
    assert (tally_q <= 8'(Most)); // and the sum does not wrap
    if (!idle) assert (tally_q + 8'(owed) + 8'(count) <= 8'(Most));
    if (!abort_q) assert (tally_q == 8'd0);
    else assert (left == 32'd0);
  end

  // ----------------------------------------------------------------------------- covers
  always @* if (rst_ni && !abort_i) begin
    cover (fresh && 32'(words) < left_q && words < 9'(MaxBurst)); // cut at a line
    cover (follow_q && ahead_q == 5'(Depth - 1));
    cover (done && left != 32'd0);
    cover (error && !done && count == 4'd2);
    cover (count == 4'(Outstanding) && left != 32'd0 && stock >= 5'(MaxBurst));
    cover (w_move && w_end && aw_wait_q); // W is done before AW is taken
  end
  always @* if (rst_ni) begin
    cover (abort_q && abort_i && w_move && follow_q && ahead_q == 5'd1);
    cover (abort_q && !abort_i && taken);
  end

  // ------------------------------------------------- for induction: the same state inside
  (* hierconn *) logic \i_dut.busy_q , \i_dut.bad_q ;
  (* hierconn *) logic [WordWidth-1:0] \i_dut.next_q ;
  (* hierconn *) logic [31:0] \i_dut.left_q ;
  (* hierconn *) logic [7:0] \i_dut.beat_q ;
  (* hierconn *) logic [$clog2(Depth+1)-1:0] \i_dut.owed_q , \i_dut.level ;
  (* hierconn *) logic [PtrWidth-1:0] \i_dut.slot_in_q , \i_dut.slot_w_q , \i_dut.slot_b_q ;
  (* hierconn *) logic [PtrWidth:0] \i_dut.slots_q ;
  (* hierconn *) logic [WordWidth-1:0] \i_dut.slot_address[0] , \i_dut.slot_address[1] ,
      \i_dut.slot_address[2] , \i_dut.slot_address[3] ;
  (* hierconn *) logic [7:0] \i_dut.slot_len[0] , \i_dut.slot_len[1] , \i_dut.slot_len[2] ,
      \i_dut.slot_len[3] ;
  (* hierconn *) logic \i_dut.slot_last[0] , \i_dut.slot_last[1] , \i_dut.slot_last[2] ,
      \i_dut.slot_last[3] ;
  (* hierconn *) logic \i_dut.queue_valid ;
  (* hierconn *) logic [$clog2(Depth)-1:0] \i_dut.i_queue.read_q , \i_dut.i_queue.write_q ;
  (* hierconn *) logic [DataBits-1:0] \i_dut.i_queue.memory[0] , \i_dut.i_queue.memory[1] ,
      \i_dut.i_queue.memory[2] , \i_dut.i_queue.memory[3] , \i_dut.i_queue.memory[4] ,
      \i_dut.i_queue.memory[5] , \i_dut.i_queue.memory[6] , \i_dut.i_queue.memory[7] ;
  logic [4*WordWidth-1:0] slot_address;
  logic [31:0]            slot_len;
  logic [3:0]             slot_last;
  logic [8*DataBits-1:0]  memory;
  assign slot_address = {\i_dut.slot_address[3] , \i_dut.slot_address[2] ,
                         \i_dut.slot_address[1] , \i_dut.slot_address[0] };
  assign slot_len     = {\i_dut.slot_len[3] , \i_dut.slot_len[2] , \i_dut.slot_len[1] ,
                         \i_dut.slot_len[0] };
  assign slot_last    = {\i_dut.slot_last[3] , \i_dut.slot_last[2] , \i_dut.slot_last[1] ,
                         \i_dut.slot_last[0] };
  assign memory = {\i_dut.i_queue.memory[7] , \i_dut.i_queue.memory[6] ,
      \i_dut.i_queue.memory[5] , \i_dut.i_queue.memory[4] , \i_dut.i_queue.memory[3] ,
      \i_dut.i_queue.memory[2] , \i_dut.i_queue.memory[1] , \i_dut.i_queue.memory[0] };

  // Own widths: yosys 0.23 compares casts wider.
  logic [PtrWidth-1:0]      ago, shown, end_of_ring, end_of_sent;
  logic [$clog2(Depth)-1:0] next_in, place; // of the queue's memory: it wraps by itself
  logic [4:0]               sum;            // words of the bursts that W has to send
  assign shown       = in_q + PtrWidth'(fresh);
  assign end_of_ring = out_q + count[PtrWidth-1:0];
  assign end_of_sent = w_q + to_send[PtrWidth-1:0];
  assign next_in     = \i_dut.i_queue.read_q + held_q[$clog2(Depth)-1:0] -
                       {{($clog2(Depth)-1){1'b0}}, \i_dut.queue_valid };
  assign place       = \i_dut.i_queue.read_q + ahead_q[$clog2(Depth)-1:0] -
                       {{($clog2(Depth)-1){1'b0}}, \i_dut.queue_valid };
  always @* begin
    ago = {PtrWidth{1'b0}};
    sum = 5'd0 - beat_q[4:0];
    if (rst_ni) begin
      assert (\i_dut.busy_q == (left != 32'd0));
      if (left != 32'd0) assert (\i_dut.left_q == left && \i_dut.next_q == next);
      assert (5'(\i_dut.owed_q ) == owed && 5'(\i_dut.level ) == held_q && owed <= held_q);
      assert (4'(\i_dut.slots_q ) == count && \i_dut.slot_b_q == out_q);
      assert (\i_dut.slot_in_q == shown && \i_dut.slot_w_q == w_q);
      assert (\i_dut.slot_in_q == end_of_ring && \i_dut.slot_in_q == end_of_sent);
      assert (to_send_q <= count_q);
      assert (\i_dut.beat_q == beat_q && (abort_i || \i_dut.bad_q == bad_q));
      if (aw_wait_q) assert (count_q != 4'd0);
      if (count == 4'd0) assert (!awvalid);
      if (to_send == 4'd0) assert (beat_q == 8'd0);
      for (int i = 0; i < Outstanding; i++) begin
        ago = PtrWidth'(i) - out_q;
        if (4'(ago) < count) begin
          assert (slot_address[WordWidth*i +: WordWidth] == ring_word[WordWidth*i +: WordWidth]);
          assert (slot_last[i] == ring_last[i]);
        end
        ago = PtrWidth'(i) - w_q;
        if (4'(ago) < to_send) begin
          assert ({1'b0, slot_len[8*i +: 8]} + 9'd1 == ring_words[9*i +: 9]);
          assert (ring_words[9*i +: 9] != 9'd0 && ring_words[9*i +: 9] <= 9'(MaxBurst));
          if (4'(ago) == 4'd0) assert ({1'b0, beat_q} < ring_words[9*i +: 9]);
          sum = sum + ring_words[9*i +: 5];
        end
      end
      assert (sum == owed); // W has words for the bursts that have begun, no more
      if (held_q == 5'd0) assert (!\i_dut.queue_valid );
      if (owed != 5'd0) assert (\i_dut.queue_valid );
      assert (\i_dut.i_queue.write_q == next_in);
      if (follow_q && (ahead_q != 5'd0 || !\i_dut.queue_valid ))
        assert (memory[DataBits * place +: DataBits] == data_q);
      if (follow_q && ahead_q == 5'd0 && \i_dut.queue_valid ) assert (wdata == data_q);
    end
  end

endmodule
