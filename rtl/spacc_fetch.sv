/// Fetches x of every step of a RUN, up to `slots_i` steps ahead, into the ring of slots of
/// the x memory.
///
/// A command a step, its address checked first. Words of a batch come [chunk][b], a beat a
/// chunk (Pes / 4 units); of one sequence in order of positions. With `masked_i` the mask of the
/// step comes behind its x, and the ring is the whole x memory: a step then reads across its end.
module spacc_fetch #(
  parameter  int unsigned AxiBits   = 64,
  parameter  int unsigned WordWidth = 9,    // of the x memory
  parameter  int unsigned Slices    = 4,    // beats a word
  localparam int unsigned SliceWidth = Slices > 1 ? $clog2(Slices) : 1,
  localparam int unsigned AlignBits  = $clog2(AxiBits / 8)
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,          // synchronous, active low: also a flush
  input  logic                  start_i,
  input  logic [31:0]           steps_i,
  input  logic [7:0]            batch_i,
  input  logic [WordWidth:0]    x_words_i,
  input  logic [WordWidth:0]    slot_words_i,    // batch * x_words
  input  logic [7:0]            slots_i,
  input  logic                  masked_i,
  input  logic [31:0]           bytes_i,         // of a step
  input  logic [31:0]           offset_i,
  input  logic [31:0]           stride_i,
  input  logic [63:0]           region_ptr_i,
  input  logic [31:0]           region_bytes_i,
  // commands
  output logic                  cmd_valid_o,
  input  logic                  cmd_ready_i,
  output logic [63:0]           cmd_address_o,
  // beats that arrive, and where they go
  input  logic                  beat_i,
  input  logic                  last_i,          // of a command
  output logic [WordWidth-1:0]  word_o,
  output logic [SliceWidth-1:0] slice_o,
  output logic                  mask_o,          // no x: a beat of the mask
  output logic                  arrived_o,       // x of a step, and its mask
  // the array
  output logic                  ready_o,         // x of the next step to read is there
  input  logic                  release_i,       // its slot is free
  output logic                  bad_address_o,   // pulse
  output logic [63:0]           address_o        // with bad_address_o
);

  typedef enum logic [1:0] {Idle, Check, Command} state_e;
  state_e      state_q;
  logic        active_q;
  logic [31:0] left_q;       // steps to ask for
  logic [31:0] offset_q;
  logic [7:0]  taken_q;      // slots asked for and not free again
  logic [7:0]  ready_q;      // slots that are there
  logic        take, arrived, bad;

  assign take    = state_q == Idle && active_q && left_q != 32'd0 && taken_q != slots_i;
  assign arrived = beat_i && last_i;
  assign bad     = {1'b0, offset_q} + {1'b0, bytes_i} > {1'b0, region_bytes_i} ||
                   offset_q[AlignBits-1:0] + region_ptr_i[AlignBits-1:0] != '0;

  always_ff @(posedge clk_i) begin
    bad_address_o <= 1'b0;
    if (!rst_ni) begin
      state_q  <= Idle;
      active_q <= 1'b0;
      taken_q  <= 8'd0;
      ready_q  <= 8'd0;
    end else begin
      case (state_q)
        Idle: if (take) state_q <= Check;
        Check: begin
          state_q       <= bad ? Idle : Command;
          active_q      <= !bad;
          bad_address_o <= bad;
        end
        default: if (cmd_ready_i) state_q <= Idle;
      endcase
      if (start_i) begin
        active_q <= 1'b1;
        taken_q  <= 8'd0;
        ready_q  <= 8'd0;
      end else begin
        if (take && !release_i)      taken_q <= taken_q + 8'd1;
        else if (release_i && !take) taken_q <= taken_q - 8'd1;
        if (arrived && !release_i)      ready_q <= ready_q + 8'd1;
        else if (release_i && !arrived) ready_q <= ready_q - 8'd1;
      end
    end
    if (start_i) begin
      left_q   <= steps_i;
      offset_q <= offset_i;
    end else if (state_q == Command && cmd_ready_i) begin
      left_q   <= left_q - 32'd1;
      offset_q <= offset_q + stride_i;
    end
    if (state_q == Check) cmd_address_o <= region_ptr_i + {32'd0, offset_q};
  end

  assign cmd_valid_o = state_q == Command;
  assign address_o   = cmd_address_o;
  assign ready_o     = ready_q != 8'd0;

  // Place of the next beat: slot, sequence, word of the vector, beat of the word.
  logic [7:0]            slots_left_q, batch_left_q;
  logic [WordWidth-1:0]  slot_q, sequence_q, word_q;
  logic [SliceWidth-1:0] slice_q;
  logic                  word_end, mask_q;

  assign word_end = slice_q == SliceWidth'(Slices - 1);
  assign word_o   = slot_q + sequence_q + word_q;
  assign slice_o  = slice_q;
  assign mask_o   = mask_q;
  assign arrived_o = arrived;

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      slots_left_q <= slots_i;
      slot_q       <= '0;
    end else if (arrived) begin
      slots_left_q <= slots_left_q == 8'd1 ? slots_i : slots_left_q - 8'd1;
      slot_q       <= slots_left_q == 8'd1 && !masked_i ? '0 : slot_q + slot_words_i[WordWidth-1:0];
    end
    if (start_i || arrived) begin
      batch_left_q <= batch_i;
      sequence_q   <= '0;
      word_q       <= '0;
      slice_q      <= '0;
      mask_q       <= 1'b0;
    end else if (beat_i && batch_left_q != 8'd1) begin
      batch_left_q <= batch_left_q - 8'd1;
      sequence_q   <= sequence_q + x_words_i[WordWidth-1:0];
    end else if (beat_i) begin
      batch_left_q <= batch_i;
      sequence_q   <= '0;
      slice_q      <= word_end ? '0 : slice_q + 1'b1;
      if (word_end) begin
        word_q <= word_q + 1'b1;
        mask_q <= mask_q || (masked_i && word_q == WordWidth'(x_words_i - 1'b1));
      end
    end
  end

  logic unused_bits;
  assign unused_bits = ^slot_words_i[WordWidth];

endmodule
