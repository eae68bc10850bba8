/// Proof of spacc_dma_read. Bursts are noted as they appear on AR, cut from the command
/// as the AXI rules ask for; memory answers them in order, whenever it likes. One word,
/// picked freely from any command, is followed by its address until it is delivered.
///
/// Assumed: commands of 1 word or more, aligned, held until taken; R only for bursts
/// that were accepted, in order, held, RLAST at the last beat; abort held until idle.
module dma_read_proof #(
  parameter  int unsigned DataBits    = 64,
  parameter  int unsigned MaxBurst    = 4,
  parameter  int unsigned Outstanding = 2, // 2 or 4
  localparam int unsigned SizeBits    = $clog2(DataBits / 8),
  localparam int unsigned WordWidth   = 64 - SizeBits
) (
  input logic                 clk_i,
  input logic                 rst_ni,
  input logic                 cmd_valid_i,
  input logic [WordWidth-1:0] cmd_word_i, // address in words
  input logic [31:0]          cmd_beats_i,
  input logic                 out_ready_i,
  input logic                 abort_i,
  input logic                 arready_i,
  input logic                 rvalid_i,
  input logic [DataBits-1:0]  rdata_i,
  input logic [1:0]           rresp_i,
  input logic                 pick_i,     // follow a word of the command taken now:
  input logic [31:0]          pick_word_i // this one
);

  localparam int unsigned LineWords = 4096 / (DataBits / 8);
  localparam int unsigned BurstMax  = MaxBurst < LineWords ? MaxBurst : LineWords;
  localparam int unsigned PtrWidth  = $clog2(Outstanding);

  logic                cmd_ready, out_valid, out_last, idle, error, beat, arvalid, rready;
  logic [DataBits-1:0] out_data;
  logic [63:0]         error_address, araddr;
  logic [7:0]          arlen;
  logic [2:0]          arsize;
  logic [1:0]          arburst;
  logic                rlast;

  spacc_dma_read #(.DataBits(DataBits), .MaxBurst(MaxBurst), .Outstanding(Outstanding)) i_dut (
    .clk_i, .rst_ni, .cmd_valid_i, .cmd_ready_o (cmd_ready),
    .cmd_address_i ({cmd_word_i, {SizeBits{1'b0}}}), .cmd_beats_i,
    .out_valid_o (out_valid), .out_ready_i, .out_data_o (out_data), .out_last_o (out_last),
    .idle_o (idle), .error_o (error), .error_address_o (error_address), .beat_o (beat), .abort_i,
    .m_arvalid_o (arvalid), .m_arready_i (arready_i), .m_araddr_o (araddr), .m_arlen_o (arlen),
    .m_arsize_o (arsize), .m_arburst_o (arburst), .m_rvalid_i (rvalid_i), .m_rready_o (rready),
    .m_rdata_i (rdata_i), .m_rresp_i (rresp_i), .m_rlast_i (rlast)
  );

  initial assume (!rst_ni);

  // --------------------------------------------------- commands, and what they ask for
  logic                 ar_wait_q, fresh; // fresh: a burst shows for the first time
  logic [8:0]           words;            // of the burst on AR
  logic [31:0]          left_q, left;     // words not asked for, without and with `fresh`
  logic [WordWidth-1:0] next_q, next;     // the next of them
  logic [WordWidth-1:0] ar_word;
  logic                 taken;

  assign fresh   = arvalid && !ar_wait_q;
  assign words   = {1'b0, arlen} + 9'd1;
  assign ar_word = araddr[63:SizeBits];
  assign left    = left_q - (fresh ? 32'(words) : 32'd0);
  assign next    = next_q + (fresh ? WordWidth'(words) : {WordWidth{1'b0}});
  assign taken   = cmd_valid_i && cmd_ready;

  always_ff @(posedge clk_i) begin
    ar_wait_q <= rst_ni && arvalid && !arready_i;
    left_q    <= taken ? cmd_beats_i : left;
    next_q    <= taken ? cmd_word_i : next;
    if (abort_i || !rst_ni) left_q <= 32'd0;
  end

  // --------------------------------------- bursts that memory owes, a ring as in the block
  logic [PtrWidth-1:0] in_q, out_q;
  logic [3:0]          count_q, count; // without and with `fresh`
  logic [WordWidth*Outstanding-1:0] ring_word_q, ring_word;
  logic [9*Outstanding-1:0]         ring_words_q, ring_words;
  logic [Outstanding-1:0]           ring_last_q, ring_last;
  logic [7:0]                       beat_q;  // of the oldest
  logic [WordWidth-1:0]             r_word;  // address of the word on R
  logic                             r_end, r_last, r_move, owed, bad_q;

  assign count = count_q + 4'(fresh);

  always @* begin
    ring_word  = ring_word_q;
    ring_words = ring_words_q;
    ring_last  = ring_last_q;
    for (int i = 0; i < Outstanding; i++)
      if (fresh && in_q == PtrWidth'(i)) begin
        ring_word[WordWidth*i +: WordWidth] = ar_word;
        ring_words[9*i +: 9] = words;
        ring_last[i] = left == 32'd0;
      end
    r_word = {WordWidth{1'b0}};
    r_end  = 1'b0;
    r_last = 1'b0;
    for (int i = 0; i < Outstanding; i++)
      if (out_q == PtrWidth'(i)) begin
        r_word = ring_word[WordWidth*i +: WordWidth] + WordWidth'(beat_q);
        r_end  = {1'b0, beat_q} + 9'd1 == ring_words[9*i +: 9];
        r_last = r_end && ring_last[i];
      end
  end

  // Memory may answer a burst in the cycle of its acceptance.
  assign owed   = count != 4'(arvalid && !arready_i);
  assign rlast  = r_end;
  assign r_move = rvalid_i && rready;

  always_ff @(posedge clk_i) begin
    {ring_word_q, ring_words_q, ring_last_q} <= {ring_word, ring_words, ring_last};
    in_q    <= in_q + PtrWidth'(fresh);
    out_q   <= out_q + PtrWidth'(r_move && r_end);
    count_q <= count - 4'(r_move && r_end);
    if (r_move) begin
      beat_q <= r_end ? 8'd0 : beat_q + 8'd1;
      bad_q  <= !r_last && (bad_q || rresp_i != 2'd0);
    end
    if (abort_i) bad_q <= 1'b0;
    if (!rst_ni) {in_q, out_q, count_q, beat_q, bad_q} <= '0;
  end

  // ------------------------------------------------------------------- the cycle before
  logic                cmd_wait_q, r_wait_q, out_wait_q, abort_q, abort_wait_q, may_ask_q;
  logic [63:0]         araddr_q;
  logic [7:0]          arlen_q;
  logic [WordWidth+31:0] cmd_q;
  logic [DataBits+1:0] r_q;
  logic                out_last_q;

  always_ff @(posedge clk_i) begin
    cmd_wait_q   <= rst_ni && cmd_valid_i && !cmd_ready && !abort_i;
    r_wait_q     <= rst_ni && rvalid_i && !rready;
    out_wait_q   <= rst_ni && out_valid && !out_ready_i;
    abort_q      <= rst_ni && abort_i;
    abort_wait_q <= rst_ni && abort_i && !idle;
    may_ask_q    <= rst_ni && left != 32'd0 && !abort_i && count != 4'(Outstanding) &&
                    (!arvalid || arready_i);
    {araddr_q, arlen_q} <= {araddr, arlen};
    cmd_q      <= {cmd_word_i, cmd_beats_i};
    r_q        <= {rdata_i, rresp_i};
    out_last_q <= out_last;
  end

  // ------------------------------------------------------------------------ assumptions
  always @* if (rst_ni) begin
    if (cmd_valid_i) assume (cmd_beats_i != 32'd0);
    if (cmd_wait_q) assume (cmd_valid_i && {cmd_word_i, cmd_beats_i} == cmd_q);
    if (r_wait_q) assume (rvalid_i && {rdata_i, rresp_i} == r_q);
    if (rvalid_i) assume (owed);
    if (abort_wait_q) assume (abort_i);
  end

  // ------------------------------------------------------------------------------ rules

  always @* if (rst_ni) begin
    // AR: held, INCR of whole words, inside the command and a 4 KiB line, at once, none short
    assert (arsize == 3'(SizeBits) && arburst == 2'd1);
    if (ar_wait_q) assert (arvalid && araddr == araddr_q && arlen == arlen_q);
    assert (fresh == may_ask_q);
    if (fresh) begin
      assert (32'(words) <= left_q && words <= 9'(BurstMax));
      assert (araddr == {next_q, {SizeBits{1'b0}}});
      assert (32'(araddr[11:SizeBits]) + 32'(arlen) < LineWords);
      assert (32'(words) == left_q || words == 9'(BurstMax) ||
              32'(ar_word % LineWords) + 32'(words) == LineWords);
    end
    if (abort_q) assert (!fresh);
    assert (count <= 4'(Outstanding));
    // commands: the next one is taken when the last burst of this one shows
    assert (cmd_ready == (left == 32'd0 && !abort_i));
    assert (idle == (left == 32'd0 && count == 4'd0));
    // words: each one that comes is delivered, unchanged and once, held, with its last mark
    assert (beat == r_move);
    if (abort_i) assert (!out_valid && rready);
    else begin
      assert (out_valid == rvalid_i && (r_move == (out_valid && out_ready_i)));
      if (out_valid) assert (out_data == rdata_i && out_last == r_last);
      if (out_wait_q && !abort_q) assert (out_valid && out_last == out_last_q);
    end
    // errors: once a command, the first bad word's address
    assert (error == (r_move && rresp_i != 2'd0 && !bad_q && !abort_i));
    if (error) assert (error_address == {r_word, {SizeBits{1'b0}}});
  end

  // ------------------------------------------------------- one word of all that are asked
  // First it is some words behind `next`; then in a burst, some beats behind its first.
  logic                 follow_q, cut_q, want_last_q, cut, here;
  logic [WordWidth-1:0] want_q;        // its address
  logic [31:0]          behind_q;      // words of its command before it, not asked for
  logic [PtrWidth-1:0]  slot_q, slot;  // the burst it is in
  logic [7:0]           place_q, place;

  always @* begin
    cut   = cut_q || (fresh && behind_q < 32'(words));
    slot  = cut_q ? slot_q : in_q;
    place = cut_q ? place_q : behind_q[7:0];
    here  = follow_q && cut && slot == out_q && place == beat_q;
  end

  always_ff @(posedge clk_i) begin
    if (taken && pick_i && !follow_q && pick_word_i < cmd_beats_i) begin
      follow_q    <= 1'b1;
      cut_q       <= 1'b0;
      want_q      <= cmd_word_i + WordWidth'(pick_word_i);
      want_last_q <= pick_word_i + 32'd1 == cmd_beats_i;
      behind_q    <= pick_word_i;
    end else begin
      {cut_q, slot_q, place_q} <= {cut, slot, place};
      if (fresh && !cut) behind_q <= behind_q - 32'(words);
      if (here && r_move) follow_q <= 1'b0;
    end
    if (abort_i || !rst_ni) follow_q <= 1'b0;
  end

  logic [PtrWidth-1:0] turn; // bursts that come before its own
  assign turn = slot - out_q;
  always @* if (rst_ni && follow_q && !abort_i) begin
    if (here && out_valid) assert (r_word == want_q && out_last == want_last_q);
    assert (!idle);
    // the word is still to come: what induction needs
    if (!cut) begin
      assert (behind_q < left_q);
      assert (want_q == next_q + WordWidth'(behind_q));
      assert (want_last_q == (behind_q + 32'd1 == left_q));
    end else begin
      assert (4'(turn) < count && (turn != {PtrWidth{1'b0}} || place >= beat_q));
      for (int i = 0; i < Outstanding; i++)
        if (slot == PtrWidth'(i)) begin
          assert ({1'b0, place} < ring_words[9*i +: 9]);
          assert (want_q == ring_word[WordWidth*i +: WordWidth] + WordWidth'(place));
          assert (want_last_q == (ring_last[i] && {1'b0, place} + 9'd1 == ring_words[9*i +: 9]));
        end
    end
  end

  // -------------------------------------------- an abort ends while memory goes on answering
  logic [11:0]         tally_q, in_ring; // words owed
  logic [PtrWidth-1:0] ago_of;           // own width: yosys 0.23 compares casts wider
  always @* begin
    in_ring = 12'd0 - 12'(beat_q);
    for (int i = 0; i < Outstanding; i++) begin
      ago_of = PtrWidth'(i) - out_q;
      if (4'(ago_of) < count) in_ring = in_ring + 12'(ring_words[9*i +: 9]);
    end
  end
  always_ff @(posedge clk_i) begin
    if (!idle && (!arvalid || arready_i) && (!owed || rvalid_i)) tally_q <= tally_q + 12'd1;
    if (!abort_i || !rst_ni) tally_q <= 12'd0;
  end
  always @* if (rst_ni && abort_i && Outstanding * BurstMax < 1024) begin
    assert (tally_q <= 12'(Outstanding * BurstMax + 1)); // and the sum does not wrap
    if (!idle) assert (tally_q + in_ring <= 12'(Outstanding * BurstMax + 1));
    if (!abort_q) assert (tally_q == 12'd0);
    else assert (left == 32'd0);
  end

  // ----------------------------------------------------------------------------- covers
  always @* if (rst_ni && !abort_i) begin
    cover (fresh && 32'(words) < left_q && words < 9'(BurstMax)); // cut at a line
    cover (here && want_last_q && place == 8'd2 && r_move);
    cover (out_valid && out_ready_i && out_last && left != 32'd0 && count == 4'd2);
    cover (error && left != 32'd0);
    cover (count == 4'(Outstanding) && left != 32'd0 && out_wait_q);
  end
  always @* if (rst_ni) begin
    cover (abort_q && abort_i && r_move && r_last);
    cover (abort_q && !abort_i && taken);
  end

  // ------------------------------------------------- for induction: the same state inside
  (* hierconn *) logic \i_dut.busy_q , \i_dut.bad_q ;
  (* hierconn *) logic [WordWidth-1:0] \i_dut.next_q ;
  (* hierconn *) logic [31:0] \i_dut.left_q ;
  (* hierconn *) logic [7:0] \i_dut.beat_q ;
  (* hierconn *) logic [PtrWidth-1:0] \i_dut.slot_in_q , \i_dut.slot_out_q ;
  (* hierconn *) logic [PtrWidth:0] \i_dut.slots_q ;
  (* hierconn *) logic [WordWidth-1:0] \i_dut.slot_address[0] , \i_dut.slot_address[1] ,
      \i_dut.slot_address[2] , \i_dut.slot_address[3] ;
  (* hierconn *) logic [7:0] \i_dut.slot_len[0] , \i_dut.slot_len[1] , \i_dut.slot_len[2] ,
      \i_dut.slot_len[3] ;
  (* hierconn *) logic \i_dut.slot_last[0] , \i_dut.slot_last[1] , \i_dut.slot_last[2] ,
      \i_dut.slot_last[3] ;
  logic [4*WordWidth-1:0] slot_address;
  logic [31:0]            slot_len;
  logic [3:0]             slot_last;
  assign slot_address = {\i_dut.slot_address[3] , \i_dut.slot_address[2] ,
                         \i_dut.slot_address[1] , \i_dut.slot_address[0] };
  assign slot_len     = {\i_dut.slot_len[3] , \i_dut.slot_len[2] , \i_dut.slot_len[1] ,
                         \i_dut.slot_len[0] };
  assign slot_last    = {\i_dut.slot_last[3] , \i_dut.slot_last[2] , \i_dut.slot_last[1] ,
                         \i_dut.slot_last[0] };

  logic [PtrWidth-1:0] ago, shown, end_of_ring; // own width: yosys 0.23 compares casts wider
  assign shown       = in_q + PtrWidth'(fresh);
  assign end_of_ring = out_q + count[PtrWidth-1:0];
  always @* begin
    ago = {PtrWidth{1'b0}};
    if (rst_ni) begin
      assert (\i_dut.busy_q == (left != 32'd0));
      if (left != 32'd0) assert (\i_dut.left_q == left && \i_dut.next_q == next);
      assert (4'(\i_dut.slots_q ) == count && \i_dut.slot_out_q == out_q);
      assert (\i_dut.slot_in_q == shown);
      assert (\i_dut.slot_in_q == end_of_ring);
      assert (\i_dut.beat_q == beat_q && (abort_i || \i_dut.bad_q == bad_q));
      if (ar_wait_q) assert (count_q != 4'd0);
      if (count == 4'd0) assert (beat_q == 8'd0 && !arvalid);
      for (int i = 0; i < Outstanding; i++) begin
        ago = PtrWidth'(i) - out_q;
        if (4'(ago) < count) begin
          assert (slot_address[WordWidth*i +: WordWidth] == ring_word[WordWidth*i +: WordWidth]);
          assert ({1'b0, slot_len[8*i +: 8]} + 9'd1 == ring_words[9*i +: 9]);
          assert (slot_last[i] == ring_last[i]);
          assert (ring_words[9*i +: 9] != 9'd0 && ring_words[9*i +: 9] <= 9'(BurstMax));
          if (4'(ago) == 4'd0) assert ({1'b0, beat_q} < ring_words[9*i +: 9]);
        end
      end
    end
  end

endmodule
